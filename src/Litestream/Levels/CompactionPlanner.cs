using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Levels;

/// <summary>
/// Chooses what is merged into a level (store-and-restore §3). A merged file never spans missing transactions, and a level never stops
/// for good: it goes on behind a snapshot that covers what is missing.
/// </summary>
internal static class CompactionPlanner
{
    /// <summary>Plans one level. Pure.</summary>
    /// <param name="source">Files of the level below, sorted.</param>
    /// <param name="destination">Files of the level, sorted.</param>
    /// <param name="snapshots">Files of level 9.</param>
    public static CompactionPlan Plan(
        IReadOnlyList<LtxFileInfo> source, IReadOnlyList<LtxFileInfo> destination, IReadOnlyList<LtxFileInfo> snapshots)
    {
        Txid reached = LevelFiles.Reach(destination);
        if (reached.IsNone)
        {
            // The database would be copied once more per level (0.5.17 did: 2,997 MB for 1,026 MB): start behind its newest copy (D4).
            reached = LevelFiles.Reach(snapshots);
            if (reached.IsNone)
            {
                return source.Count == 0 ? CompactionPlan.Nothing : new CompactionPlan([], IsWaitingForSnapshot: true);
            }
        }

        while (true)
        {
            List<LtxFileInfo> sources = Contiguous(source, reached, out TxidRange? gap);
            if (gap is not { } missing)
            {
                return new CompactionPlan(sources);
            }

            if (sources.Count > 0)
            {
                return new CompactionPlan(sources, IsCovered(missing, snapshots) ? null : missing);
            }

            if (CoveringSnapshot(missing, snapshots) is not { } behind)
            {
                return new CompactionPlan([], missing);
            }

            // Nothing at or before the snapshot's transaction needs this level any more: points in between have lost their chain.
            reached = behind;
        }
    }

    /// <summary>
    /// The files that continue from a transaction without a gap. The one whose range holds the next transaction counts, however early it
    /// begins (trap C12); files that add nothing are left out (trap C13).
    /// </summary>
    private static List<LtxFileInfo> Contiguous(IReadOnlyList<LtxFileInfo> source, Txid reached, out TxidRange? gap)
    {
        List<LtxFileInfo> chosen = [];
        gap = null;
        foreach (LtxFileInfo file in source)
        {
            if (file.MaxTxid <= reached)
            {
                continue;
            }

            if (file.MinTxid > reached.Next)
            {
                gap = new TxidRange(reached.Next, new Txid(file.MinTxid.Value - 1));
                break;
            }

            chosen.Add(file);
            reached = file.MaxTxid;
        }

        return chosen;
    }

    private static bool IsCovered(TxidRange gap, IReadOnlyList<LtxFileInfo> snapshots) => CoveringSnapshot(gap, snapshots) is not null;

    /// <summary>The earliest snapshot that holds everything up to the end of a gap: behind it most points are left.</summary>
    private static Txid? CoveringSnapshot(TxidRange gap, IReadOnlyList<LtxFileInfo> snapshots)
    {
        Txid? earliest = null;
        foreach (LtxFileInfo snapshot in snapshots)
        {
            if (snapshot.MinTxid.Value == 1 && snapshot.MaxTxid >= gap.Max && (earliest is not { } known || snapshot.MaxTxid < known))
            {
                earliest = snapshot.MaxTxid;
            }
        }

        return earliest;
    }
}
