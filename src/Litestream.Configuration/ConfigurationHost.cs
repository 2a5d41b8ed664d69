using Litestream.Storage;

namespace Litestream.Configuration;

/// <summary>What reading a configuration needs of the process around it; handed in, so that tests need no process state.</summary>
/// <param name="Files">File system.</param>
/// <param name="GetVariable">Value of an environment variable, or null when it is not set.</param>
/// <param name="WorkingDirectory">Absolute directory that relative paths start from.</param>
/// <param name="UserName">Account name, for <c>~</c>.</param>
/// <param name="ProcessId">Value of <c>$PID</c> (§3.2).</param>
public sealed record ConfigurationHost(
    IFileSystem Files,
    Func<string, string?> GetVariable,
    string WorkingDirectory,
    string UserName,
    int ProcessId);
