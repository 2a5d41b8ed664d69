using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Levels;

/// <summary>Deleting what nobody was promised, on the replica and locally.</summary>
internal sealed partial class LevelKeeper
{
    /// <summary>So many files a store deletes in one request, where it can delete several at all (backends §1).</summary>
    private const int FilesPerRequest = 1000;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMinutes(1);

    /// <summary>How far level 1 (or the snapshot before it) reached, and since when (trap A8).</summary>
    private readonly Queue<(Txid Reach, DateTimeOffset At)> settling = new();

    /// <summary>Per level: what retention has let go without deleting it on the replica (<c>retention.enabled: false</c>).</summary>
    private readonly Txid[] released = new Txid[LtxFileInfo.LevelCount];
    private Txid settled;
    private DateTimeOffset? levelZeroRetentionDue;
    private DateTimeOffset? levelsRetentionDue;
    private DateTimeOffset lastLevelZeroRun;
    private bool isLocalSwept;

    /// <summary>Runs the snapshot retention once, due or not (<c>replicate -once -enforce-retention</c>). Level 0 is not touched.</summary>
    /// <exception cref="ReplicaException">A deletion failed.</exception>
    public Task EnforceRetentionAsync(CancellationToken cancellationToken) => InTurnAsync(
        token => DeleteAsync(RetentionPlanner.PlanLevels(Catalog.ToListing(), rules, Now).Files, token), cancellationToken);

    /// <summary>Called under the lock.</summary>
    private void Settle(DateTimeOffset now)
    {
        Txid reach = LevelFiles.Reach(Catalog[1]);
        reach = reach.IsNone ? LevelFiles.Reach(Catalog[LtxFileInfo.SnapshotLevel]) : reach;
        if (rules.LevelZero > TimeSpan.Zero && !reach.IsNone)
        {
            settling.Enqueue((reach, now));
            levelZeroRetentionDue ??= LevelZeroDue();
        }
    }

    private DateTimeOffset? LevelZeroDue() =>
        settling.TryPeek(out (Txid Reach, DateTimeOffset At) head) ? Latest(head.At + rules.LevelZero, lastLevelZeroRun + options.L0RetentionCheckInterval) : null;

    private async Task RetainAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (Earliest(levelZeroRetentionDue, levelsRetentionDue) <= Now)
            {
                for (int level = 0; level < LtxFileInfo.LevelCount; level++)
                {
                    await RefreshAsync(level, cancellationToken).ConfigureAwait(false);
                }
            }

            await RetainLevelZeroAsync(cancellationToken).ConfigureAwait(false);
            await RetainLevelsAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            lock (gate)
            {
                levelZeroRetentionDue = rules.LevelZero > TimeSpan.Zero ? Now + RetryPause : null;
                levelsRetentionDue = Now + RetryPause;
            }

            Fail(LogLevel.Error, "retention failed, it is tried again", 0, e);
        }
    }

    private async Task RetainLevelZeroAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (levelZeroRetentionDue is not { } due || due > Now)
            {
                return;
            }

            // A clock that was set back must not keep files for the whole step.
            while (settling.TryPeek(out (Txid Reach, DateTimeOffset At) head) && (head.At + rules.LevelZero <= Now || head.At > Now))
            {
                settled = head.Reach > settled ? head.Reach : settled;
                settling.Dequeue();
            }

            lastLevelZeroRun = Now;
        }

        RetentionPlan plan = RetentionPlanner.PlanLevelZero(Catalog.ToListing(), rules, settled, Now);
        await DeleteAsync(plan.Files, cancellationToken).ConfigureAwait(false);
        SweepLocalLevelZero();
        lock (gate)
        {
            levelZeroRetentionDue = Earliest(LevelZeroDue(), plan.NextDue);
        }
    }

    private async Task RetainLevelsAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (levelsRetentionDue is not { } due || due > Now)
            {
                return;
            }
        }

        RetentionPlan plan = RetentionPlanner.PlanLevels(Catalog.ToListing(), rules, Now);
        await DeleteAsync(plan.Files, cancellationToken).ConfigureAwait(false);
        lock (gate)
        {
            levelsRetentionDue = plan.NextDue;

            // One deletion request for each window of level 1 is what a day may cost (decision D6): level 0 waits for what this took.
            int requests = (plan.Files.Count + FilesPerRequest - 1) / FilesPerRequest;
            if (requests > 0 && options.Levels.Count > 0 && levelZeroRetentionDue is { } due)
            {
                levelZeroRetentionDue = Latest(due, Now + (options.Levels[0].Interval * (requests + 1)));
            }
        }
    }

    private async Task DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        if (files.Count == 0)
        {
            return;
        }

        if (options.RetentionEnabled)
        {
            try
            {
                await client.DeleteAsync(files, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                // Some may have gone: what is left is planned anew from a listing (trap R14).
                foreach (LtxFileInfo file in files)
                {
                    isStale[file.Level] = true;
                }

                throw;
            }

            Statistics.DeletedFiles += files.Count;
        }

        Catalog.Remove(files);
        foreach (LtxFileInfo file in files)
        {
            released[file.Level] = file.MaxTxid > released[file.Level] ? file.MaxTxid : released[file.Level];
            DeleteLocal(file);
        }

        logger.Write(
            LogLevel.Debug, options.RetentionEnabled ? "retention deleted files" : "retention deleted local files",
            ("files", files.Count), ("level", files[0].Level), ("maxTXID", files[0].MaxTxid.ToString()));
    }

    /// <summary>
    /// Once after a start: local level-0 files that a crash left between the deletion there and here. What the replica still has, or
    /// never had, stays (trap R8).
    /// </summary>
    private void SweepLocalLevelZero()
    {
        IReadOnlyList<LtxFileInfo> remote = Catalog[0];
        if (isLocalSwept || remote.Count == 0)
        {
            return;
        }

        isLocalSwept = true;
        Txid oldest = remote[0].MinTxid;
        foreach (LtxFileInfo file in directory.List())
        {
            bool isMerged = file.MaxTxid <= settled;
            if (file.MaxTxid < oldest && isMerged)
            {
                DeleteLocal(file);
            }
        }
    }

    private void DeleteLocal(in LtxFileInfo file)
    {
        try
        {
            directory.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            logger.Write(LogLevel.Warning, "cannot delete local ltx file", ("path", directory.PathOf(file)), ("error", e.Message));
        }
    }

    private static DateTimeOffset Latest(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;
}
