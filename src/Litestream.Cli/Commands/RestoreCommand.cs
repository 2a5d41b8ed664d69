using Litestream.Cli.Logging;
using Litestream.Configuration;
using Litestream.Configuration.Targets;
using Litestream.Diagnostics;
using Litestream.Restore;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream restore</c>: gives a database back from its replica (§2.2).</summary>
internal sealed class RestoreCommand : Command
{
    private readonly ConfigFlags config;
    private readonly RestoreFlags flags;

    public RestoreCommand(CliHost host)
        : base(host)
    {
        config = new ConfigFlags(host, Flags);
        flags = new RestoreFlags(Flags);
    }

    public override string Name => "restore";

    public override string Summary => "give a database back from its replica";

    public override IReadOnlyList<string> Synopsis => ["restore [arguments] DB_PATH", "restore [arguments] REPLICA_URL", "restore -all [-o DIR] [arguments]"];

    public override string Description => """
        Restores a database of the configuration file, or the one that a replica URL
        holds, as it was at the end, at a transaction or at a time. The output appears
        under its name only when it is complete and every file was verified.
        """;

    public override async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        if (flags.All.Value)
        {
            return await new RestoreAllRun(Host, config, flags).RunAsync(arguments).ConfigureAwait(false);
        }

        if (arguments.Count == 0)
        {
            throw new CliException("database path or replica URL required", "litestream restore -o /path/to/db s3://bucket/prefix");
        }

        RequireAtMost(arguments, 1);
        string source = arguments[0];
        bool isUrl = ReplicaLocator.IsUrl(source);
        if (isUrl && config.Path.Length == 0 && flags.Output.Value.Length == 0)
        {
            throw new CliException("-o is required when restoring from a replica URL", $"litestream restore -o /path/to/db {SecretsInUrl.Redact(source)}");
        }

        RefuseWithFollow();
        flags.ToOptions("/", isUrl);
        (ConfiguredDatabase database, LoggingSettings logging) = Locate(source, isUrl);
        string target = flags.Output.Value.Length > 0 ? flags.Output.Value : database.Options.Path;
        RestoreOptions options = flags.ToOptions(Host.Paths.MakeAbsolute(target), isUrl);
        options = flags.Delta.Value.Length > 0 ? options with { BasePath = Host.Paths.MakeAbsolute(flags.Delta.Value) } : options;
        LogSettings settings = LogSettings.Create(logging, Host.GetVariable);
        using LogSink sink = new(flags.Json.Value ? settings with { ToError = true } : settings, Host);
        Host.Replicas.Log(sink);
        ILogger logger = sink.CreateLogger("");
        if (flags.IfDatabaseMissing.Value && !flags.Follow.Value && OutputExists(options.OutputPath))
        {
            logger.Write(LogLevel.Information, "database already exists, skipping");
            return 0;
        }

        IReplicaClient client = Host.Replicas.Create(database.Target, asOf: flags.AsOf);
        await using (client.ConfigureAwait(false))
        {
            await client.InitializeAsync(default).ConfigureAwait(false);
            Restorer restorer = new(client, Host.Files, Host.Clock, logger);
            await RefuseContradictionsAsync(restorer, options).ConfigureAwait(false);
            if (flags.DryRun.Value)
            {
                RestorePlan plan = await restorer.PlanAsync(options, default).ConfigureAwait(false);
                string shown = isUrl ? SecretsInUrl.Redact(source) : database.Options.Path;
                Print(flags.Json.Value
                    ? RestorePlanText.FormatJson(plan, shown, target, client.Type)
                    : RestorePlanText.Format(plan, shown, target, client.Type));
                return 0;
            }

            bool exists = OutputExists(options.OutputPath);
            if (flags.Follow.Value)
            {
                return await new FollowRun(Host, flags, logger).RunAsync(client, options, target, exists).ConfigureAwait(false);
            }

            return await RestoreAsync(restorer, options, client, database, target, logger).ConfigureAwait(false);
        }
    }

    /// <summary>What makes no sense for a copy that is kept up to date.</summary>
    private void RefuseWithFollow()
    {
        string? with = (flags.DryRun.Value, flags.Delta.Value.Length > 0, flags.AsOf is not null) switch
        {
            (true, _, _) => "-dry-run",
            (_, true, _) => "-delta",
            (_, _, true) => "-as-of",
            _ => null,
        };
        if (flags.Follow.Value && with is not null)
        {
            throw new CliException($"cannot use {with} with -f");
        }
    }

    private (ConfiguredDatabase Database, LoggingSettings Logging) Locate(string source, bool isUrl)
    {
        if (isUrl)
        {
            return (ReplicaLocator.FindUrl(Host, config, source), new LoggingSettings());
        }

        LitestreamConfiguration configuration = config.Load();
        return (ReplicaLocator.FindPath(Host, configuration, source), configuration.Logging);
    }

    private async Task RefuseContradictionsAsync(Restorer restorer, RestoreOptions options)
    {
        string? conflict = (options.Timestamp is not null, !options.TargetTxid.IsNone, flags.Follow.Value) switch
        {
            (_, true, true) => "cannot use follow mode with -txid",
            (true, _, true) => "cannot use follow mode with -timestamp",
            (true, true, _) => "cannot specify index & timestamp to restore",
            _ => null,
        };
        if (conflict is null)
        {
            return;
        }

        if (options is { CheckTimestampBounds: true, Timestamp: not null })
        {
            try
            {
                // With a URL, a time outside the replica's range is reported first (§2.2).
                await restorer.PlanAsync(options with { TargetTxid = default }, default).ConfigureAwait(false);
            }
            catch (RestoreUnavailableException e) when (e.Reason is not (RestoreUnavailableReason.TimestampOutOfRange or RestoreUnavailableReason.NoBackupsFound))
            {
            }
        }

        throw new CliException(conflict);
    }

    private async Task<int> RestoreAsync(
        Restorer restorer, RestoreOptions options, IReplicaClient client, ConfiguredDatabase database, string target, ILogger logger)
    {
        long began = Host.Clock.GetTimestamp();
        using ProgressLine? progress = Host.IsErrorTerminal && Host.IsOutputTerminal && !flags.Json.Value ? new ProgressLine(Host) : null;
        RestoreResult result;
        try
        {
            using SignalCancellation signals = new();
            result = await signals.RunAsync(token => restorer.RestoreAsync(options, progress, token)).ConfigureAwait(false);
        }
        catch (RestoreUnavailableException e) when (flags.IfReplicaExists.Value && e.Reason == RestoreUnavailableReason.EmptyReplica)
        {
            logger.Write(LogLevel.Information, "no matching backups found");
            return 0;
        }

        progress?.Finish();
        WriteWarnings(Host, result, logger);
        if (options.IntegrityCheck != IntegrityCheckMode.None)
        {
            LogAttribute[] name = database.Options.Path.Length > 0 ? [("db", Path.GetFileName(database.Options.Path))] : [];
            logger.Write(LogLevel.Information, "post-restore integrity check passed", [.. name, ("replica", client.Type)]);
        }

        if (flags.Json.Value)
        {
            Print(RestoreResultJson.Format(
                target, client.Type, result.Txid, Host.Clock.GetElapsedTime(began), flags.IntegrityWord, result.Delta));
        }

        return 0;
    }

    /// <summary>Says what the result alone does not show: damage that was passed by, and what a delta restore could not prove.</summary>
    internal static void WriteWarnings(CliHost host, RestoreResult result, ILogger logger)
    {
        foreach (DamagedReplicaFile damaged in result.Plan.Damaged)
        {
            host.Error.Write($"Warning: {damaged}; the same transaction was restored without it\n");
        }

        if (result.Delta is { } delta)
        {
            logger.Write(
                LogLevel.Information, "restored from a local copy", ("base_txid", delta.BaseTxid), ("copied", delta.PagesCopied),
                ("fetched", delta.PagesFetched), ("damaged", delta.PagesDamaged), ("bytes", delta.BytesFetched), ("unverified", delta.PagesUnverified));
        }
    }

    /// <summary>Whether there is something at the output path; a path that cannot be looked at is an error (trap B42).</summary>
    private bool OutputExists(string path)
    {
        for (string? parent = Path.GetDirectoryName(path); parent is not null; parent = Path.GetDirectoryName(parent))
        {
            if (Host.Files.Stat(parent) is { Kind: not FileKind.Directory })
            {
                throw new CliException($"cannot access output path: stat {path}: not a directory");
            }
        }

        try
        {
            return Host.Files.Stat(path) is not null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"cannot access output path: {e.Message}", inner: e);
        }
    }
}
