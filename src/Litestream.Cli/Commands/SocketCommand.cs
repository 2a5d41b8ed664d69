using Litestream.Cli.Flags;
using Litestream.Configuration;
using Litestream.Storage;

namespace Litestream.Cli.Commands;

/// <summary>
/// A command to a running daemon through its control socket (§2.7). This version's daemon has no control socket yet: the
/// commands check their arguments, say whether anything is there to connect to, and otherwise that they cannot talk to it.
/// </summary>
internal class SocketCommand : Command
{
    private readonly TextFlag socket;
    private readonly IntegerFlag timeout;
    private readonly bool takesPath;

    /// <summary>Creates a command.</summary>
    /// <param name="host">The process around it.</param>
    /// <param name="name">Word on the command line, also the route.</param>
    /// <param name="summary">One line for the summary.</param>
    /// <param name="seconds">Default time limit.</param>
    /// <param name="takesPath">Whether it needs a database path; such commands post, the others get.</param>
    public SocketCommand(CliHost host, string name, string summary, int seconds, bool takesPath)
        : base(host)
    {
        (Name, Summary, this.takesPath) = (name, summary, takesPath);
        timeout = Flags.Add(new IntegerFlag("timeout", "SECONDS", seconds, $"Time limit (default {seconds})."));
        socket = Flags.Add(new TextFlag("socket", "PATH", $"Control socket (default {SocketSettings.DefaultPath}).", SocketSettings.DefaultPath));
        if (name == "sync")
        {
            Flags.Add(new BooleanFlag("wait", "Wait until the replica has everything, too."));
        }

        Flags.Add(new BooleanFlag("json", "Print a JSON object."));
    }

    public override string Name { get; }

    public override string Summary { get; }

    public override IReadOnlyList<string> Synopsis => [takesPath ? $"{Name} [OPTIONS] DB_PATH" : $"{Name} [OPTIONS]"];

    public override string Description => $"""
        Asks a running daemon through its control socket: {Summary}.
        The control socket is not yet supported in this version.
        """;

    /// <summary>A command line that works, for messages about missing words.</summary>
    protected virtual string Example => $"litestream {Name} /path/to/db";

    protected string SocketPath => socket.Value;

    protected long TimeoutSeconds => timeout.Value;

    public override Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        CheckArguments(arguments);
        string request = $"{(takesPath ? "Post" : "Get")} \"http://localhost/{Name}\": dial unix";
        string reason = (SocketPath.Length, Host.Files.Stat(Host.Paths.MakeAbsolute(SocketPath))) switch
        {
            (0, _) => $"{request}: missing address",
            (_, null) => $"{request} {SocketPath}: connect: no such file or directory",
            (_, { Kind: not FileKind.Other }) => $"{request} {SocketPath}: connect: connection refused",
            _ => $"{SocketPath}: commands to a running daemon are not yet supported in this version",
        };
        throw new CliException("failed to connect to control socket: " + reason);
    }

    /// <summary>Checks the words and the time limit before anything is connected (§1.3, trap B41).</summary>
    protected virtual void CheckArguments(IReadOnlyList<string> arguments)
    {
        if (takesPath && arguments.Count == 0)
        {
            throw new CliException("database path required", Example);
        }

        RequireAtMost(arguments, takesPath ? 1 : 0);
        if (TimeoutSeconds <= 0)
        {
            throw new CliException("timeout must be greater than 0");
        }
    }
}
