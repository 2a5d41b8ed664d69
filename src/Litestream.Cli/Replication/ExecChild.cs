using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Litestream.Cli.Logging;
using Litestream.Storage;

namespace Litestream.Cli.Replication;

/// <summary>The application that runs under <c>-exec</c> (§2.1).</summary>
internal sealed class ExecChild : IDisposable
{
    private const int SignalBase = 128;
    private const int ExecuteBits = 0x49; // 0111
    private const int NotFound = 2;

    private readonly Process process;

    private ExecChild(Process process) => this.process = process;

    /// <summary>Starts a program; environment, standard output and standard error are inherited, standard input is empty.</summary>
    /// <exception cref="CliException">It cannot be started.</exception>
    public static ExecChild Start(IReadOnlyList<string> words, CliHost host)
    {
        ProcessStartInfo start = new(FindProgram(words[0], host))
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            WorkingDirectory = host.WorkingDirectory,
        };
        foreach (string word in words.Skip(1))
        {
            start.ArgumentList.Add(word);
        }

        try
        {
            Process process = Process.Start(start)!;
            process.StandardInput.Close();
            return new ExecChild(process);
        }
        catch (Win32Exception e)
        {
            string reason = e.NativeErrorCode == NotFound ? "no such file or directory" : e.Message;
            throw new CliException($"cannot start exec command: fork/exec {start.FileName}: {reason}", inner: e);
        }
    }

    /// <summary>Waits for the end.</summary>
    /// <returns>Exit code; 128 + n if signal n killed it (trap B7).</returns>
    public async Task<int> WaitAsync(CancellationToken cancellationToken)
    {
        await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        return process.ExitCode;
    }

    /// <summary>Passes a signal on.</summary>
    public void Send(PosixSignal signal) => ProcessSignal.Send(process.Id, LogValue.SignalNumber(signal));

    /// <summary>Whether an exit code means that a signal did its work: death by it, or a handler that ends like that (trap B8).</summary>
    public static bool IsDeathBy(PosixSignal signal, int exitCode) => exitCode == SignalBase + LogValue.SignalNumber(signal);

    public void Dispose() => process.Dispose();

    /// <summary>The path of a program: with a slash as it is, else searched on <c>$PATH</c> and nowhere else.</summary>
    private static string FindProgram(string name, CliHost host)
    {
        if (name.Contains('/', StringComparison.Ordinal))
        {
            string path = host.Paths.MakeAbsolute(name);
            return host.Files.Stat(path) switch
            {
                null => throw new CliException($"cannot start exec command: fork/exec {name}: no such file or directory"),
                { } status when !IsExecutable(status) => throw new CliException($"cannot start exec command: fork/exec {name}: permission denied"),
                _ => path,
            };
        }

        foreach (string directory in (host.GetVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            string path = host.Paths.MakeAbsolute(directory + "/" + name);
            if (host.Files.Stat(path) is { } status && IsExecutable(status))
            {
                return path;
            }
        }

        throw new CliException($"cannot start exec command: exec: \"{name}\": executable file not found in $PATH");
    }

    private static bool IsExecutable(FileStatus status) =>
        status.Kind == FileKind.Regular && (status.Ownership.Mode & ExecuteBits) != 0;
}
