using Litestream.Cli.Flags;
using Litestream.Configuration;
using Litestream.Configuration.Targets;
using Litestream.Restore;
using Litestream.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream points</c>: what can be restored (decision D15).</summary>
internal sealed class PointsCommand : Command
{
    private readonly ConfigFlags config;
    private readonly BooleanFlag json;

    public PointsCommand(CliHost host)
        : base(host)
    {
        config = new ConfigFlags(host, Flags);
        json = Flags.Add(new BooleanFlag("json", "Print JSON."));
    }

    public override string Name => "points";

    public override string Summary => "show which points in time can be restored";

    public override IReadOnlyList<string> Synopsis => ["points [arguments] DB_PATH", "points [arguments] REPLICA_URL"];

    public override string Description => """
        Shows from which transaction and time to which a replica can be restored, how
        fine the points lie, and what is missing. Reads listings only.
        """;

    public override async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        if (arguments.Count == 0)
        {
            throw new CliException("database path or replica URL required", "litestream points /path/to/db");
        }

        RequireAtMost(arguments, 1);
        ConfiguredDatabase database = ReplicaLocator.Find(Host, config, arguments[0]);
        IReplicaClient client = Host.Replicas.Create(database.Target);
        await using (client.ConfigureAwait(false))
        {
            await client.InitializeAsync(default).ConfigureAwait(false);
            Restorer restorer = new(client, Host.Files, Host.Clock, NullLogger.Instance);
            RestorePoints points = await restorer.ListPointsAsync(default).ConfigureAwait(false);
            string source = database.Options.Path.Length > 0 ? database.Options.Path : SecretsInUrl.Redact(arguments[0]);
            Print(json.Value ? RestorePointsText.FormatJson(points, source, client.Type) : RestorePointsText.Format(points));
            return 0;
        }
    }
}
