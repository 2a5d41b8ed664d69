namespace Litestream.Cli;

/// <summary>A command cannot be carried out. The message is shown to the user after <c>Error: </c>.</summary>
internal sealed class CliException(string message, string? hint = null, int exitCode = 1, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>A command line that would have worked, shown after <c>Try: </c>; null = none.</summary>
    public string? Hint { get; } = hint;

    /// <summary>Exit code of the process.</summary>
    public int ExitCode { get; } = exitCode;
}
