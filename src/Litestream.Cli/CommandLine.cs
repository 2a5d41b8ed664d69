using Litestream.Cli.Commands;
using Litestream.Cli.Flags;
using Litestream.Configuration;
using Litestream.Follow;
using Litestream.Restore;
using Litestream.Sqlite;
using Litestream.Storage;

namespace Litestream.Cli;

/// <summary>Dispatch of the command line: which command, which exit code, which stream (cli-config-control §1.1 to §1.3).</summary>
internal static class CommandLine
{
    /// <summary>The visible commands in the order of the summary.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "databases", "info", "list", "ltx", "points", "register", "replicate", "reset", "restore", "start", "status", "stop", "sync",
        "unregister", "verify", "version",
    ];

    /// <summary>Runs a command line.</summary>
    /// <param name="args">Words after the program name.</param>
    /// <param name="host">The process around it.</param>
    /// <returns>Exit code.</returns>
    public static async Task<int> RunAsync(string[] args, CliHost host)
    {
        string name = args.Length > 0 ? args[0] : "";
        try
        {
            if (name is "help" or "-h" or "-help" or "--help")
            {
                await host.Output.WriteAsync(HelpText.Summary()).ConfigureAwait(false);
                return 0;
            }

            if (name.Length == 0 || name.StartsWith('-'))
            {
                await host.Output.WriteAsync(HelpText.Summary()).ConfigureAwait(false);
                return AsksForHelp(args) ? 0 : 1;
            }

            if (name == "wal")
            {
                await host.Error.WriteAsync("Warning: 'wal' command is deprecated, please use 'ltx' instead\n").ConfigureAwait(false);
            }

            Command command = Create(name, host) ?? throw new CliException($"litestream {name}: unknown command");
            return await RunAsync(command, args[1..], host).ConfigureAwait(false);
        }
        catch (CliException e)
        {
            string hint = e.Hint is null ? "" : $"Try: {e.Hint}\n";
            await host.Error.WriteAsync($"Error: {e.Message}\n{hint}").ConfigureAwait(false);
            return e.ExitCode;
        }
        catch (Exception e) when (IsExpected(e))
        {
            await host.Error.WriteAsync($"Error: {e.Message}\n").ConfigureAwait(false);
            return 1;
        }
        catch (Exception e)
        {
            // A defect of this program: everything that helps to find it, and the exit code of a crash.
            await host.Error.WriteAsync($"Error: internal error, please report it: {e}\n").ConfigureAwait(false);
            return 2;
        }
    }

    /// <summary>The command of a name, or null if there is none.</summary>
    public static Command? Create(string name, CliHost host) => name switch
    {
        "databases" => new DatabasesCommand(host),
        "ltx" or "wal" => new LtxCommand(host),
        "points" => new PointsCommand(host),
        "replicate" => new ReplicateCommand(host),
        "reset" => new ResetCommand(host),
        "restore" => new RestoreCommand(host),
        "status" => new StatusCommand(host),
        "verify" => new VerifyCommand(host),
        "version" => new VersionCommand(host),
        "info" => new SocketCommand(host, name, "show the running daemon", 10, takesPath: false),
        "list" => new SocketCommand(host, name, "list the databases of the running daemon", 10, takesPath: false),
        "register" => new RegisterCommand(host),
        "start" => new SocketCommand(host, name, "resume the replication of a database", 30, takesPath: true),
        "stop" => new SocketCommand(host, name, "pause the replication of a database", 30, takesPath: true),
        "sync" => new SocketCommand(host, name, "replicate a database now", 30, takesPath: true),
        "unregister" => new UnregisterCommand(host),
        _ => null,
    };

    /// <summary>Failures of the environment or of the input, whose message is all that the user needs.</summary>
    internal static bool IsExpected(Exception e) => e is ConfigurationException or IOException or UnauthorizedAccessException
        or ReplicaException or SqliteException or RestoreUnavailableException or RestoreGapException or LtxFileException
        or RestoreIntegrityException or FollowException or OperationCanceledException;

    private static async Task<int> RunAsync(Command command, string[] args, CliHost host)
    {
        FlagSet flags = command.Flags;
        switch (flags.Parse(args))
        {
            case FlagOutcome.Help:
                await host.Output.WriteAsync(HelpText.For(command)).ConfigureAwait(false);
                return AsksForHelp(args) ? 0 : 1;
            case FlagOutcome.Invalid:
                await host.Error.WriteAsync(flags.Problem + "\n").ConfigureAwait(false);
                await host.Output.WriteAsync(HelpText.For(command)).ConfigureAwait(false);
                throw new CliException(flags.Problem);
            default:
                return await command.RunAsync([.. flags.Arguments]).ConfigureAwait(false);
        }
    }

    /// <summary>Upstream prints help for <c>--h</c> too but calls it a failure; scripts may rely on that.</summary>
    private static bool AsksForHelp(string[] args) => args.Any(a => a is "-h" or "-help" or "--help");
}
