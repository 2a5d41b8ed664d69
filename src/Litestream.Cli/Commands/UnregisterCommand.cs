using Litestream.Cli.Flags;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream unregister</c>: takes a database away from a running daemon (§2.7).</summary>
internal sealed class UnregisterCommand : SocketCommand
{
    private readonly BooleanFlag dryRun;

    public UnregisterCommand(CliHost host)
        : base(host, "unregister", "stop replicating a database", 30, takesPath: true) =>
        dryRun = Flags.Add(new BooleanFlag("dry-run", "Only print what would be asked for; nothing is connected."));

    public override Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        if (!dryRun.Value)
        {
            return base.RunAsync(arguments);
        }

        CheckArguments(arguments);
        Print($"""
            Dry run: unregister request preview
              database: {arguments[0]}
              socket: {SocketPath}
              replicas: daemon-managed replica for this database
              final sync: daemon close will sync the database and replica before the command completes
              timeout: {TimeoutSeconds}s
            No unregister request was sent.

            """);
        return Task.FromResult(0);
    }
}
