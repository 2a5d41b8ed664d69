using Litestream.Cli.Flags;
using Litestream.Cli.Logging;
using Litestream.Cli.Output;
using Litestream.Configuration;
using Litestream.Configuration.Targets;
using Litestream.Restore;
using Litestream.State;
using Litestream.Storage;
using Litestream.Verify;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream verify</c>: proves that a replica can be restored (decision D16).</summary>
internal sealed class VerifyCommand : Command
{
    private const int ExitDamaged = 2;

    private readonly ConfigFlags config;
    private readonly BooleanFlag json;
    private readonly BooleanFlag deep;
    private readonly BooleanFlag repair;
    private readonly ParsedFlag<int> share;

    public VerifyCommand(CliHost host)
        : base(host)
    {
        config = new ConfigFlags(host, Flags);
        json = Flags.Add(new BooleanFlag("json", "Print one JSON object."));
        deep = Flags.Add(new BooleanFlag(
            "deep", "Also restore into a scratch file, let SQLite check it, and remove it again. While no\ndaemon replicates the database: replicate it once and compare it page by page."));
        share = Flags.Add(new ParsedFlag<int>(
            "share", "1/N", 1, VerifyShare.Parse, "Read one Nth of a configured database's replica, and the next Nth the next time\n(default 1/1). A replica URL is always read whole."));
        repair = Flags.Add(new BooleanFlag(
            "repair", "Put damaged and missing files back where verified local files or other levels of the\nreplica still hold their pages."));
    }

    public override string Name => "verify";

    public override string Summary => "prove that a replica can be restored";

    public override IReadOnlyList<string> Synopsis => ["verify [arguments] DB_PATH", "verify [arguments] REPLICA_URL"];

    public override string Description => """
        Reads the files of a replica, checks every checksum and the chain of files, and
        says which is the last point that is proven restorable, what is damaged and
        which points that costs. Nothing is changed without -repair.

        Exit code 0: proven. 1: could not be checked. 2: damage was found.
        """;

    public override async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        RequireAtMost(arguments, 1);
        if (arguments.Count == 0)
        {
            throw new CliException("database path or replica URL required", "litestream verify /path/to/db");
        }

        ConfiguredDatabase database = ReplicaLocator.Find(Host, config, arguments[0]);
        DatabaseOptions? options = ReplicaLocator.IsUrl(arguments[0]) ? null : database.Options;
        using LogSink sink = new(LogSettings.Default(Host.GetVariable) with { ToError = true }, Host);
        try
        {
            VerifyReport report = await VerifyAsync(database, options, sink).ConfigureAwait(false);
            string subject = options?.Path ?? SecretsInUrl.Redact(arguments[0]);
            Print(json.Value ? VerifyText.Json(subject, report) : VerifyText.Lines(subject, report));
            return report.IsDamaged ? ExitDamaged : report.Unreadable.Count > 0 ? 1 : 0;
        }
        catch (RestoreUnavailableException e)
        {
            throw new CliException($"cannot verify {SecretsInUrl.Redact(arguments[0])}: {e.Message}", inner: e);
        }
    }

    private async Task<VerifyReport> VerifyAsync(ConfiguredDatabase database, DatabaseOptions? options, LogSink sink)
    {
        EngineServices services = new(Host.Files, Host.Clock, sink);
        Host.Replicas.Log(sink);
        bool daemonRuns = options is not null && StateDirectoryLock.IsHeld(Host.Files, options);
        IReplicaClient client = Host.Replicas.Create(database.Target, options);
        using SignalCancellation signals = new();
        if (deep.Value && options is not null && !daemonRuns)
        {
            return await signals.RunAsync(stop => CompareAsync(options, client, services, stop)).ConfigureAwait(false);
        }

        VerifyOptions request = new()
        {
            Database = options,
            Share = share.Value,
            Repair = repair.Value,
            ScratchDirectory = deep.Value ? options?.StateDirectory ?? Path.GetTempPath() : null,
            UploadsRun = daemonRuns,
        };
        await using (client.ConfigureAwait(false))
        {
            return await signals.RunAsync(async stop =>
            {
                await client.InitializeAsync(stop).ConfigureAwait(false);
                return await new ReplicaVerifier(client, services, sink.CreateLogger("verify")).VerifyAsync(request, null, stop).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
    }

    /// <summary>Nobody else replicates the database: this process may, and can then compare exactly (replication §8.7).</summary>
    private async Task<VerifyReport> CompareAsync(DatabaseOptions options, IReplicaClient client, EngineServices services, CancellationToken stop)
    {
        ReplicationStore store = new(services, useNotification: false);
        await using (store.ConfigureAwait(false))
        {
            ReplicatedDatabase replicated = store.Add(options, client);
            await store.OpenAsync(monitor: false, stop).ConfigureAwait(false);
            return await replicated.VerifyAsync(share.Value, deep: true, repair.Value, stop).ConfigureAwait(false);
        }
    }
}
