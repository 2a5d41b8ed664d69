using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Levels;

/// <summary>Merging one level into the next, and what to do when its sources are not as they should be.</summary>
internal sealed partial class LevelKeeper
{
    /// <summary>Plans again so often within one attempt: after a vanished source, healed gaps, and sources left out.</summary>
    private const int MostPlans = 4;

    private async Task CompactAsync(int level, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            attempted[level] = LevelWindow.Start(Now, options.Levels[level - 1].Interval);
        }

        try
        {
            for (int plans = 0; plans < MostPlans && !await TryCompactAsync(level, cancellationToken).ConfigureAwait(false); plans++)
            {
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            isStale[level] = true;
            Fail(LogLevel.Error, "compaction failed", level, e);
        }
    }

    /// <returns>True if the attempt is over, false to plan again.</returns>
    private async Task<bool> TryCompactAsync(int level, CancellationToken cancellationToken)
    {
        await RefreshAsync(level - 1, cancellationToken).ConfigureAwait(false);
        await RefreshAsync(level, cancellationToken).ConfigureAwait(false);
        ReplicaListing replica = Catalog.ToListing();
        IReadOnlyList<LtxFileInfo> source = damaged.Count == 0 ? replica[level - 1] : [.. replica[level - 1].Where(file => !damaged.Contains(file))];
        CompactionPlan plan = CompactionPlanner.Plan(source, replica[level], replica[LtxFileInfo.SnapshotLevel]);
        if (plan.Gap is { } gap && await HealAsync(level - 1, gap, cancellationToken).ConfigureAwait(false))
        {
            return false;
        }

        if (plan.Gap is { } hole)
        {
            ReportGap(level, hole);
        }

        if (plan.Sources.Count == 0)
        {
            return true;
        }

        try
        {
            await MergeAsync(plan.Sources, level, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (LtxFileNotFoundException e)
        {
            logger.Write(LogLevel.Warning, "source of a merge has vanished, planning again", ("level", level), ("error", e.Message));
            isStale[level - 1] = true;
            return false;
        }
        catch (LtxFileException e)
        {
            SetAside(level, [e.File], e);
            return false;
        }
        catch (LtxException e) when (e.Kind == LtxErrorKind.GrowthIncomplete)
        {
            // Merged or not, these files do not lead to a whole database: go on behind a snapshot (trap C21).
            SetAside(level, plan.Sources, e);
            return true;
        }
    }

    private async Task MergeAsync(IReadOnlyList<LtxFileInfo> sources, int level, CancellationToken cancellationToken)
    {
        LevelMerger merger = level < options.Levels.Count ? keeping : streaming;
        LtxFileInfo written;
        try
        {
            written = await merger.MergeAsync(sources, level, cancellationToken).ConfigureAwait(false);
        }
        catch (LtxFileException e) when (e.InnerException is LtxException { Kind: LtxErrorKind.PageSizeMismatch } && e.File != sources[0])
        {
            // VACUUM has changed the page size: such files never merge. The part before it now, the rest as a file of its own.
            sources = [.. sources.TakeWhile(file => file != e.File)];
            written = await merger.MergeAsync(sources, level, cancellationToken).ConfigureAwait(false);
        }

        Catalog.Add(written);
        Statistics.Merges++;
        logger.Write(
            LogLevel.Debug, "compaction complete",
            ("level", level), ("minTXID", written.MinTxid.ToString()), ("maxTXID", written.MaxTxid.ToString()), ("size", written.Size), ("sources", sources.Count));
        if (level == 1)
        {
            lock (gate)
            {
                Settle(Now);
            }
        }
        else
        {
            DeleteMergedCopies(level - 1, written.MaxTxid);
        }

        if (options.VerifyCompaction)
        {
            VerifyNeighbours(level);
        }
    }

    /// <summary>Local copies of levels 1 and up have done their work once they are merged; older leftovers of a crash go too (decision D6).</summary>
    private void DeleteMergedCopies(int level, Txid merged)
    {
        if (!options.LocalLevels)
        {
            return;
        }

        foreach (LtxFileInfo file in directory.List(level))
        {
            if (file.MaxTxid <= merged)
            {
                DeleteLocal(file);
            }
        }
    }

    /// <summary>Uploads files again that the replica has lost and the state directory still has.</summary>
    /// <returns>True if the gap has become smaller.</returns>
    private async Task<bool> HealAsync(int level, TxidRange gap, CancellationToken cancellationToken)
    {
        bool healed = false;
        foreach (LtxFileInfo file in directory.List(level))
        {
            if (file.MinTxid <= gap.Max && file.MaxTxid >= gap.Min && !damaged.Contains(file) && await UploadAgainAsync(file, cancellationToken).ConfigureAwait(false))
            {
                healed = true;
            }
        }

        return healed;
    }

    private async Task<bool> UploadAgainAsync(LtxFileInfo file, CancellationToken cancellationToken)
    {
        try
        {
            // What takes the place of a lost file must be whole: nobody would notice later that it was not.
            directory.Verify(file);
            isStale[file.Level] = true;
            Stream source = directory.Open(file);
            await using (source.ConfigureAwait(false))
            {
                WriteMode mode = file.Level == 0 ? WriteMode.CreateOnly : WriteMode.Overwrite;
                LtxFileInfo written = await client.WriteAsync(file.Level, file.MinTxid, file.MaxTxid, source, mode, cancellationToken).ConfigureAwait(false);
                Catalog.Add(written);
                isStale[file.Level] = false;
            }
        }
        catch (LocalLtxException e)
        {
            logger.Write(LogLevel.Warning, "local ltx file cannot be uploaded again", ("error", e.Message));
            return false;
        }

        Statistics.HealedFiles++;
        logger.Write(
            LogLevel.Warning, "file was missing on the replica, uploaded again",
            ("level", file.Level), ("minTXID", file.MinTxid.ToString()), ("maxTXID", file.MaxTxid.ToString()));
        return true;
    }

    /// <summary>Names the missing transactions once, and asks for the snapshot that makes everything behind them restorable again.</summary>
    private void ReportGap(int level, TxidRange gap)
    {
        lock (gate)
        {
            snapshotNeededAt = gap.Max > snapshotNeededAt ? gap.Max : snapshotNeededAt;
        }

        if (reportedGap == gap)
        {
            return;
        }

        reportedGap = gap;
        logger.Write(
            LogLevel.Error, "transactions are missing on the replica and not in the state directory, going on behind a new snapshot",
            ("level", level - 1), ("missing", gap.ToString()));
    }

    /// <summary>Files that cannot be merged are treated as missing: a snapshot makes up for them, so that no level stops for good.</summary>
    private void SetAside(int level, IReadOnlyList<LtxFileInfo> files, Exception cause)
    {
        damaged.UnionWith(files);
        lock (gate)
        {
            Txid last = files[^1].MaxTxid;
            snapshotNeededAt = last > snapshotNeededAt ? last : snapshotNeededAt;
        }

        Fail(LogLevel.Error, "source of a merge is damaged on the replica, going on behind a new snapshot", level, cause);
    }

    private void VerifyNeighbours(int level)
    {
        IReadOnlyList<LtxFileInfo> files = Catalog[level];
        if (files.Count >= 2 && files[^1].MinTxid != files[^2].MaxTxid.Next)
        {
            Statistics.VerifyErrors++;
            ReportNeighbours("merged file does not continue its predecessor", files[^2], files[^1]);
        }
    }

    private void ReportNeighbours(string message, in LtxFileInfo left, in LtxFileInfo right) =>
        logger.Write(
            LogLevel.Warning, message,
            ("level", left.Level), ("problem", right.MinTxid > left.MaxTxid ? "gap" : "overlap"), ("previous", left.Name), ("next", right.Name));

    private void ValidateIfDue()
    {
        lock (gate)
        {
            if (validationDue is not { } due || due > Now)
            {
                return;
            }

            validationDue = null;
        }

        for (int level = 0; level <= options.Levels.Count; level++)
        {
            IReadOnlyList<LtxFileInfo> files = Catalog[level];
            for (int i = 1; i < files.Count; i++)
            {
                if (files[i].MinTxid != files[i - 1].MaxTxid.Next)
                {
                    ReportNeighbours("files of a level are not contiguous", files[i - 1], files[i]);
                }
            }
        }
    }
}
