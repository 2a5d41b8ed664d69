using System.Runtime.InteropServices;
using Litestream.Cli.Commands;
using Litestream.Cli.Logging;
using Litestream.Configuration;
using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Replication;

/// <summary>
/// The life of <c>litestream replicate</c>: start in the documented order, work until a signal, the end of the child or of the
/// one-shot work, and an orderly close (§2.1).
/// </summary>
internal sealed class ReplicationRun(CliHost host, ReplicationRequest request, LogSink sink)
{
    private const int MaxLevels = 8;

    private readonly ILogger logger = sink.CreateLogger("");

    /// <summary>Runs to the end.</summary>
    /// <returns>Exit code.</returns>
    /// <exception cref="CliException">Start, one-shot work or final sync failed.</exception>
    public async Task<int> RunAsync()
    {
        using SignalMonitor signals = new(logger);
        logger.Write(LogLevel.Information, "litestream", ("version", BuildInfo.Version), ("level", request.LevelText));
        ConfigFlags.WriteWarnings(logger, request.Configuration.Warnings);
        ConfigFlags.WriteWarnings(logger, request.Configuration.Unavailable);
        CheckListeners();
        host.Replicas.Apply(request.Configuration);
        host.Replicas.Log(sink);
        ReplicationStore store = new(new EngineServices(host.Files, host.Clock, sink));
        await using (store.ConfigureAwait(false))
        {
            CliException? failure = await StartAndWorkAsync(store, signals).ConfigureAwait(false);
            CliException? closing = await CloseAsync(store, signals.Interrupt).ConfigureAwait(false);
            logger.Write(LogLevel.Information, "litestream shut down");
            return (failure ?? closing) is { } error ? throw error : 0;
        }
    }

    /// <summary>An address that cannot work is found before any database is opened (trap B44).</summary>
    private void CheckListeners()
    {
        string address = request.Configuration.Addr;
        if (address.Length > 0 && !address.Contains(':', StringComparison.Ordinal))
        {
            throw new CliException($"must specify port for bind address: \"{address}\"");
        }
    }

    /// <summary>Directories are watched until the work is over: what is closed at the end must not change any more.</summary>
    private async Task<CliException?> StartAndWorkAsync(ReplicationStore store, SignalMonitor signals)
    {
        var watching = new DirectoryWatching(host, store, signals.Interrupt);
        await using (watching.ConfigureAwait(false))
        {
            ReplicationPlan plan = await StartAsync(store, signals.Stop).ConfigureAwait(false);
            if (!request.Once)
            {
                watching.Start(plan);
            }

            return await WorkAsync(store, signals).ConfigureAwait(false);
        }
    }

    private async Task<ReplicationPlan> StartAsync(ReplicationStore store, CancellationToken stop)
    {
        try
        {
            ReplicationPlan plan = request.ResolveDatabases();
            await new MissingDatabaseRestore(host, logger).RunAsync(plan.Databases, stop).ConfigureAwait(false);
            foreach (ScannedDirectory found in plan.Directories)
            {
                logger.Write(
                    LogLevel.Information, "found databases in directory",
                    ("dir", found.Directory), ("count", found.Count), ("watch", found.Watch));
            }

            if (plan.Databases.Count == 0 && plan.Directories.Count == 0)
            {
                logger.Write(LogLevel.Error, "no databases specified in configuration");
            }

            WarnAboutLevels(plan.Databases);
            AddDatabases(store, plan.Databases);
            await store.OpenAsync(!request.Once, stop).ConfigureAwait(false);
            foreach (ConfiguredDatabase database in plan.Databases)
            {
                logger.Write(LogLevel.Information, "initialized db", ("path", database.Options.Path));
                logger.Write(LogLevel.Information, "replicating to", TargetAttributes.Describe(database.Target, database.Options.SyncInterval));
            }

            return plan;
        }
        catch (OperationCanceledException e) when (stop.IsCancellationRequested)
        {
            throw new CliException("interrupted by a signal before replication had started", inner: e);
        }
        catch (ReplicaException e)
        {
            throw new CliException($"cannot open store: {e.Message}", inner: e);
        }
    }

    private void AddDatabases(ReplicationStore store, IReadOnlyList<ConfiguredDatabase> databases)
    {
        if (request.Configuration.Levels.Count > MaxLevels)
        {
            throw new CliException($"cannot open store: compaction level cannot exceed {MaxLevels}");
        }

        foreach (ConfiguredDatabase database in databases)
        {
            if (database.Options.MinCheckpointPageCount <= 0)
            {
                throw new CliException("cannot open store: minimum checkpoint page count required");
            }

            try
            {
                store.Add(database.Options, host.Replicas.Create(database.Target, database.Options));
            }
            catch (CliException e)
            {
                throw new CliException($"cannot open store: initialize replica client for \"{database.Options.Path}\": {e.Message}", inner: e);
            }
        }
    }

    /// <summary>What happens between start and close. A failure does not skip the close.</summary>
    private async Task<CliException?> WorkAsync(ReplicationStore store, SignalMonitor signals)
    {
        try
        {
            if (request.Once)
            {
                await SyncOnceAsync(store, signals.Stop).ConfigureAwait(false);
            }
            else if (request.ExecWords.Count > 0)
            {
                await RunChildAsync(signals).ConfigureAwait(false);
            }
            else
            {
                await signals.First.ConfigureAwait(false);
            }

            return null;
        }
        catch (CliException e)
        {
            return e;
        }
        catch (OperationCanceledException e) when (signals.Stop.IsCancellationRequested)
        {
            return new CliException("interrupted by a signal", inner: e);
        }
    }

    private async Task SyncOnceAsync(ReplicationStore store, CancellationToken stop)
    {
        try
        {
            foreach (ReplicatedDatabase database in store.Databases)
            {
                await SyncOnceAsync(database, stop).ConfigureAwait(false);
            }

            logger.Write(LogLevel.Information, "one-shot replication complete");
        }
        finally
        {
            logger.Write(LogLevel.Information, "replication complete, litestream shutting down");
        }
    }

    private async Task SyncOnceAsync(ReplicatedDatabase database, CancellationToken stop)
    {
        string path = database.Options.Path;
        logger.Write(LogLevel.Information, "syncing database", ("path", path));
        try
        {
            Txid synced = await database.SyncAsync(stop).ConfigureAwait(false);
            if (synced.IsNone)
            {
                RequireDatabase(path);
            }

            if (request.ForceSnapshot)
            {
                logger.Write(LogLevel.Information, "taking snapshot", ("path", path));
                await database.SnapshotAsync(stop).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is not (OperationCanceledException or CliException))
        {
            throw new CliException($"sync database {path}: {e.Message}", inner: e);
        }

        if (request.EnforceRetention)
        {
            await EnforceRetentionAsync(database, stop).ConfigureAwait(false);
        }
    }

    private async Task EnforceRetentionAsync(ReplicatedDatabase database, CancellationToken stop)
    {
        string path = database.Options.Path;
        logger.Write(LogLevel.Information, "enforcing retention", ("path", path));
        try
        {
            await database.EnforceRetentionAsync(stop).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw new CliException($"enforce retention of {path}: {e.Message}", inner: e);
        }
    }

    /// <summary>Settings that do what they say and perhaps not what was meant (store-and-restore §1, §6.4).</summary>
    private void WarnAboutLevels(IReadOnlyList<ConfiguredDatabase> databases)
    {
        if (!request.Configuration.RetentionEnabled)
        {
            logger.Write(
                LogLevel.Warning,
                "retention is disabled: nothing is deleted on the replica; rules of the store must expire files, and can expire the only snapshot of an idle database");
        }

        if (request.Configuration.Levels.Count == 0)
        {
            logger.Write(LogLevel.Warning, "no levels are configured: files are never merged, and level 0 is never deleted");
        }

        if (databases.FirstOrDefault(database => database.Options.SnapshotRetention < database.Options.SnapshotInterval) is { } kept)
        {
            logger.Write(
                LogLevel.Warning, "snapshot retention is shorter than the snapshot interval: history is kept longer than asked, since every point needs a snapshot before it",
                ("path", kept.Options.Path), ("interval", kept.Options.SnapshotInterval), ("retention", kept.Options.SnapshotRetention));
        }
    }

    /// <summary>Nothing was captured: fine for an empty file, an error where there is no file at all.</summary>
    private void RequireDatabase(string path)
    {
        switch (host.Files.Stat(path)?.Kind)
        {
            case null:
                throw new CliException($"sync replica for {path}: no position, waiting for data");
            case not FileKind.Regular:
                throw new CliException($"sync database {path}: not a file");
        }
    }

    /// <summary>Runs the child to its end. Its exit code becomes ours (trap B7); a signal to us ends it first.</summary>
    private async Task RunChildAsync(SignalMonitor signals)
    {
        using ExecChild child = ExecChild.Start(request.ExecWords, host);
        Task<int> ended = child.WaitAsync(CancellationToken.None);
        await Task.WhenAny(ended, signals.First).ConfigureAwait(false);
        if (ended.IsCompleted)
        {
            logger.Write(LogLevel.Information, "subprocess exited, litestream shutting down");
            int code = await ended.ConfigureAwait(false);
            if (code != 0)
            {
                throw new CliException($"exit status {code}", exitCode: code);
            }

            return;
        }

        PosixSignal signal = await signals.First.ConfigureAwait(false);
        logger.Write(LogLevel.Information, "sending signal to exec process");
        child.Send(signal);
        logger.Write(LogLevel.Information, "waiting for exec process to close");
        int status = await ended.ConfigureAwait(false);
        if (status != 0 && !ExecChild.IsDeathBy(signal, status))
        {
            throw new CliException($"cannot wait for exec process: exit status {status}", exitCode: status);
        }
    }

    /// <summary>Closes every database. What did not reach the replica is an error of the process (trap B5).</summary>
    private async Task<CliException?> CloseAsync(ReplicationStore store, CancellationToken interrupt)
    {
        IReadOnlyList<(ReplicatedDatabase Database, Exception Error)> failures = await store.CloseAsync(interrupt).ConfigureAwait(false);
        foreach ((ReplicatedDatabase _, Exception error) in failures)
        {
            bool skipped = error is OperationCanceledException;
            logger.Write(
                skipped ? LogLevel.Warning : LogLevel.Error,
                skipped ? "shutdown sync skipped by user interrupt" : "failed to close database",
                ("error", error));
        }

        return failures.Count == 0
            ? null
            : new CliException(string.Join(
                "\nError: ", failures.Select(f => $"final sync of {f.Database.Options.Path} failed: {f.Error.Message}")));
    }
}
