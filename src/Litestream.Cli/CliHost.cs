using System.Text;
using Litestream.Configuration;
using Litestream.Storage;

namespace Litestream.Cli;

/// <summary>The process around a command. Handed in, so that tests run commands without a process of their own.</summary>
internal sealed class CliHost
{
    /// <summary>Results, tables, JSON documents and, by default, log records.</summary>
    public required TextWriter Output { get; init; }

    /// <summary>Errors.</summary>
    public required TextWriter Error { get; init; }

    public required Func<string, string?> GetVariable { get; init; }

    public required string WorkingDirectory { get; init; }

    public bool IsOutputTerminal { get; init; }

    public bool IsErrorTerminal { get; init; }

    public IFileSystem Files { get; init; } = LocalFileSystem.Instance;

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Path expansion and configuration lookup as seen from this process.</summary>
    public ConfigurationHost Configuration => field ??= new(Files, GetVariable, WorkingDirectory, Environment.UserName, Environment.ProcessId);

    /// <summary>Storage clients and what they share.</summary>
    public ReplicaClients Replicas => field ??= new(this);

    public PathExpander Paths => field ??= new(Configuration);

    /// <summary>The real process.</summary>
    public static CliHost ForProcess() => new()
    {
        Output = Writer(Console.OpenStandardOutput()),
        Error = Writer(Console.OpenStandardError()),
        GetVariable = Environment.GetEnvironmentVariable,
        WorkingDirectory = Environment.CurrentDirectory,
        IsOutputTerminal = !Console.IsOutputRedirected,
        IsErrorTerminal = !Console.IsErrorRedirected,
    };

    /// <summary>A writer that passes every call on at once: a line must be there when a script looks for it.</summary>
    private static StreamWriter Writer(Stream stream) => new(stream, new UTF8Encoding(false), 4096) { AutoFlush = true, NewLine = "\n" };
}
