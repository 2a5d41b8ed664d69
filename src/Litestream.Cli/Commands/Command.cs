using Litestream.Cli.Flags;

namespace Litestream.Cli.Commands;

/// <summary>One command of the program.</summary>
/// <param name="host">The process around it.</param>
internal abstract class Command(CliHost host)
{
    /// <summary>Word on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>One line for the summary.</summary>
    public abstract string Summary { get; }

    /// <summary>Forms of the command line, without the program name.</summary>
    public abstract IReadOnlyList<string> Synopsis { get; }

    /// <summary>What the command does, for its help text; lines of at most 80 characters.</summary>
    public abstract string Description { get; }

    /// <summary>The command's flags.</summary>
    public FlagSet Flags { get; } = new();

    protected CliHost Host { get; } = host;

    /// <summary>Carries the command out.</summary>
    /// <param name="arguments">Words behind the flags.</param>
    /// <returns>Exit code.</returns>
    public abstract Task<int> RunAsync(IReadOnlyList<string> arguments);

    /// <summary>Refuses words that the command has no use for (§1.3).</summary>
    protected static void RequireAtMost(IReadOnlyList<string> arguments, int count)
    {
        if (arguments.Count > count)
        {
            throw new CliException("too many arguments");
        }
    }

    protected void Print(string text) => Host.Output.Write(text);
}
