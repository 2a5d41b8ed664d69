using System.Text;
using Litestream.Cli.Commands;
using Litestream.Cli.Flags;

namespace Litestream.Cli;

/// <summary>The command summary and the help text of each command.</summary>
internal static class HelpText
{
    private const int Indent = 4;

    /// <summary>What the program is and which commands it has.</summary>
    public static string Summary()
    {
        StringBuilder text = new("""
            litestream keeps a copy of SQLite databases while they are being written, and
            gives them back as they were at any point in time.

            Usage:

                litestream <command> [flags] [arguments]

            The commands are:


            """);
        CliHost host = CliHost.ForProcess();
        int width = CommandLine.Names.Max(name => name.Length) + 2;
        foreach (string name in CommandLine.Names)
        {
            Command command = CommandLine.Create(name, host)!;
            text.Append(' ', Indent).Append(name.PadRight(width)).Append(command.Summary).Append('\n');
        }

        return text.Append("\nlitestream <command> -h explains a command.\n").ToString();
    }

    /// <summary>The help text of a command.</summary>
    public static string For(Command command)
    {
        StringBuilder text = new(command.Description);
        text.Append("\n\nUsage:\n\n");
        foreach (string form in command.Synopsis)
        {
            text.Append(' ', Indent).Append("litestream ").Append(form).Append('\n');
        }

        text.Append("\nFlags:\n");
        foreach (Flag flag in command.Flags.All)
        {
            text.Append('\n').Append(' ', Indent).Append('-').Append(flag.Name);
            text.Append(flag.Argument.Length > 0 ? " " + flag.Argument : "").Append('\n');
            text.Append(' ', 2 * Indent).Append(flag.Help.Replace("\n", "\n" + new string(' ', 2 * Indent), StringComparison.Ordinal)).Append('\n');
        }

        return text.ToString();
    }
}
