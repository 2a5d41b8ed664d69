namespace Litestream.TestKit.Processes;

/// <summary>What a finished command left.</summary>
/// <param name="ExitCode">Exit code.</param>
/// <param name="StandardOutput">All of standard output.</param>
/// <param name="StandardError">All of standard error.</param>
public sealed record CliResult(int ExitCode, string StandardOutput, string StandardError);
