using System.Runtime.ExceptionServices;
using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Sqlite;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Follow;

/// <summary>
/// Keeps a database equal to what its replica holds: a live read replica. Restores it if it is absent, then applies what comes, each
/// time as one transaction, while other processes read (store-and-restore §12, decisions D2, D3).
/// </summary>
/// <param name="client">The replica.</param>
/// <param name="files">File system of the database.</param>
/// <param name="time">All clocks and timers.</param>
/// <param name="logger">Where progress and trouble are reported.</param>
public sealed class Follower(IReplicaClient client, IFileSystem files, TimeProvider time, ILogger logger)
{
    /// <summary>Files and bytes that are fetched and applied as one transaction.</summary>
    private const int MaxBatchFiles = 64;

    /// <summary>Contradicting or incomplete listings in a row before a gap, or a replica that is behind, is believed.</summary>
    private const int MaxPlans = 5;

    /// <summary>How often all levels are listed although nothing seems to happen (F-b, F9).</summary>
    private static readonly TimeSpan AuditInterval = TimeSpan.FromMinutes(1);

    private long? _lastAudit;
    private int _problems;

    /// <summary>Restores or resumes, then follows until it is cancelled: that is the normal end.</summary>
    /// <param name="options">The database.</param>
    /// <param name="restoring">Told about the first restore; null = nobody.</param>
    /// <param name="applied">Told after each transaction; null = nobody.</param>
    /// <param name="cancellationToken">Ends following; during the first restore it is an error and nothing is left behind.</param>
    /// <exception cref="FollowException">Following is not possible any more without somebody's decision.</exception>
    /// <exception cref="IOException">The side file holds something else than a transaction.</exception>
    /// <exception cref="RestoreUnavailableException">There is nothing to restore.</exception>
    /// <exception cref="RestoreGapException">The newest state cannot be reached.</exception>
    /// <exception cref="LtxFileException">A file of the first restore is damaged.</exception>
    /// <exception cref="RestoreOutputException">The output path is a directory.</exception>
    /// <exception cref="RestoreIntegrityException">SQLite's check of the first restore failed.</exception>
    public async Task RunAsync(
        FollowOptions options, IProgress<RestoreProgress>? restoring, IProgress<FollowProgress>? applied, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        options = options with { Interval = options.Interval > TimeSpan.Zero ? options.Interval : FollowOptions.DefaultInterval };
        Txid start = await RestoreOrResumeAsync(options, restoring, cancellationToken);
        using var database = new FollowedDatabase(options.OutputPath, start, files, time, logger);
        logger.Write(LogLevel.Information, "entering follow mode",
            ("replica", client.Type), ("output", options.OutputPath), ("txid", start), ("interval", options.Interval));
        using var changes = new ReplicaChanges(client, time, logger);
        var report = new FollowReport(client.Type, time, logger, applied, options.Interval);
        try
        {
            while (true)
            {
                changes.Arm();
                bool advanced = await TryPollAsync(database, options, report, cancellationToken);
                report.Flush();
                if (!advanced)
                {
                    await changes.WaitAsync(options.Interval, cancellationToken);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            report.Flush(now: true);
            logger.Write(LogLevel.Information, "follow mode stopped", ("replica", client.Type));
        }
    }

    private async Task<Txid> RestoreOrResumeAsync(FollowOptions options, IProgress<RestoreProgress>? restoring, CancellationToken cancellationToken)
    {
        if (files.Stat(options.OutputPath) is not { } status)
        {
            var restore = new RestoreOptions
            {
                OutputPath = options.OutputPath,
                Parallelism = options.Parallelism,
                IntegrityCheck = options.IntegrityCheck,
                IsFollowed = true,

                // Before the database has its name: no crash leaves one without its side file.
                BeforePublish = txid => TxidFile.Write(files, options.OutputPath, txid),
            };
            return (await new Restorer(client, files, time, logger).RestoreAsync(restore, restoring, cancellationToken)).Txid;
        }

        if (status.Kind == FileKind.Directory)
        {
            throw new RestoreOutputException($"cannot follow, output path is a directory: {options.OutputPath}", options.OutputPath);
        }

        Txid saved = TxidFile.Read(files, options.OutputPath) ?? throw new FollowException(
            $"cannot resume follow mode: database exists but no -txid file found; delete the database to re-restore: {options.OutputPath}");
        logger.Write(LogLevel.Information, "resuming follow mode from crash recovery",
            ("replica", client.Type), ("txid", saved), ("output", options.OutputPath));
        FollowPlan plan = await PlanAsync(saved, [], cancellationToken);
        for (int attempt = 1; plan.Problem is not null && attempt < MaxPlans; attempt++)
        {
            // A writer moves files while they are listed.
            plan = await PlanAsync(saved, [], cancellationToken);
        }

        return plan.Problem is null ? saved : throw new FollowException("cannot resume follow mode: " + plan.Problem);
    }

    /// <summary>One look at the replica. Trouble is logged and followed by the usual pause: the store or the disk may come back.</summary>
    /// <returns>True if something was applied; there may be more.</returns>
    private async Task<bool> TryPollAsync(FollowedDatabase database, FollowOptions options, FollowReport report, CancellationToken cancellationToken)
    {
        try
        {
            IReadOnlyList<LtxFileInfo> plan = await FindFilesAsync(database.Current, cancellationToken);
            await ApplyAsync(database, plan, options, report, cancellationToken);
            report.Succeed();
            return plan.Count > 0;
        }
        catch (Exception failure) when (failure is IOException or LtxException or SqliteException or UnauthorizedAccessException)
        {
            // Whatever went wrong: the next look sees all levels.
            _lastAudit = null;
            report.Fail(failure);
            return false;
        }
    }

    /// <summary>
    /// In steady following one listing of level 0 from the next transaction on. All levels only when that does not continue, when
    /// there is so much that merged files are fewer, and once a minute.
    /// </summary>
    private async Task<IReadOnlyList<LtxFileInfo>> FindFilesAsync(Txid current, CancellationToken cancellationToken)
    {
        if (_lastAudit is { } last && time.GetElapsedTime(last) < AuditInterval)
        {
            List<LtxFileInfo> fresh = [];
            await foreach (LtxFileInfo file in client.ListAsync(0, current.Next, accurateTimes: false, cancellationToken))
            {
                fresh.Add(file);
            }

            if (fresh.Count == 0 || (fresh.Count <= MaxBatchFiles && IsChain(fresh, current)))
            {
                return fresh;
            }
        }

        FollowPlan plan = await PlanAsync(current, [], cancellationToken);
        if (plan.Problem is { } problem)
        {
            throw ++_problems < MaxPlans ? new ReplicaException(problem) : new FollowException(problem);
        }

        _problems = 0;
        _lastAudit = time.GetTimestamp();
        if (plan.IsRebase)
        {
            logger.Write(LogLevel.Warning, "follow: gap in the replica, going on from its snapshot",
                ("replica", client.Type), ("txid", current), ("snapshot", plan.Files[0].MaxTxid));
        }

        return plan.Files;
    }

    private static bool IsChain(List<LtxFileInfo> listed, Txid current)
    {
        foreach (LtxFileInfo file in listed)
        {
            if (file.MinTxid != current.Next)
            {
                return false;
            }

            current = file.MaxTxid;
        }

        return true;
    }

    /// <summary>
    /// Applies a plan in batches. A file that vanished was merged: plan again. A damaged one is left out if other files, or a
    /// snapshot, lead on.
    /// </summary>
    private async Task ApplyAsync(
        FollowedDatabase database, IReadOnlyList<LtxFileInfo> plan, FollowOptions options, FollowReport report, CancellationToken cancellationToken)
    {
        List<LtxFileInfo> damaged = [];
        int missing = 0;
        while (plan.Count > 0)
        {
            try
            {
                List<LtxFileInfo> next = TakeBatch(plan);
                await ApplyBatchAsync(database, next, options, report, cancellationToken);
                plan = [.. plan.Skip(next.Count)];
            }
            catch (LtxFileNotFoundException gone) when (++missing < MaxPlans)
            {
                logger.Write(LogLevel.Information, "ltx file is gone, planning again", ("error", gone.Message));
                plan = (await PlanAsync(database.Current, damaged, cancellationToken)).Files;
            }
            catch (LtxFileException damage) when (!damaged.Contains(damage.File))
            {
                damaged.Add(damage.File);
                plan = (await PlanAsync(database.Current, damaged, cancellationToken)).Files;
                if (plan.Count == 0)
                {
                    ExceptionDispatchInfo.Throw(damage);
                }

                logger.Write(LogLevel.Error, "damaged ltx file, going on with others", ("level", damage.File.Level),
                    ("min_txid", damage.File.MinTxid), ("max_txid", damage.File.MaxTxid), ("error", damage.Message));
            }
        }
    }

    private async Task ApplyBatchAsync(
        FollowedDatabase database, List<LtxFileInfo> next, FollowOptions options, FollowReport report, CancellationToken cancellationToken)
    {
        IncomingFile?[] batch = new IncomingFile?[next.Count];
        try
        {
            var parallel = new ParallelOptions
            {
                MaxDegreeOfParallelism = Math.Clamp(options.Parallelism, 1, RestoreOptions.MaxParallelism),
                CancellationToken = cancellationToken,
            };
            await Parallel.ForEachAsync(Enumerable.Range(0, next.Count), parallel, async (i, token) =>
                batch[i] = await IncomingFile.FetchAsync(client, next[i], files, options.OutputPath + "-ltx.tmp", time, token));
            Txid from = database.Current;
            await database.ApplyAsync(batch!, cancellationToken);
            report.Applied(from, batch[^1]!, batch.Length);
        }
        finally
        {
            Array.ForEach(batch, file => file?.Dispose());
        }
    }

    private static List<LtxFileInfo> TakeBatch(IReadOnlyList<LtxFileInfo> plan)
    {
        List<LtxFileInfo> batch = [plan[0]];
        long bytes = plan[0].Size;
        foreach (LtxFileInfo file in plan.Skip(1).Take(MaxBatchFiles - 1))
        {
            bytes += file.Size;
            if (bytes > IncomingFile.MemoryLimit)
            {
                break;
            }

            batch.Add(file);
        }

        return batch;
    }

    private async Task<FollowPlan> PlanAsync(Txid current, List<LtxFileInfo> damaged, CancellationToken cancellationToken) =>
        FollowPlan.Make(await ReplicaListing.ReadAsync(client, accurateTimes: false, cancellationToken), current, damaged);
}
