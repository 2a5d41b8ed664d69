using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Restore.Delta;

/// <summary>
/// Finds the files whose page indexes say which pages differ between two transactions: a chain of levels 0 to 8 with the fewest bytes,
/// because a file that reaches far back names pages that did not change since. A pure function.
/// </summary>
internal static class DeltaChain
{
    /// <summary>Files in a chain, each of which costs a request and stays in memory; longer ones are not worth it.</summary>
    internal const int MaxFiles = 4096;

    /// <summary>What a request more is worth in bytes.</summary>
    private const long RequestCost = 8 << 10;

    /// <summary>The chain from one transaction to another.</summary>
    /// <param name="files">Files of all levels.</param>
    /// <param name="from">The older state.</param>
    /// <param name="to">The newer state.</param>
    /// <param name="exact">The last file must end at <paramref name="to"/>; else it may reach beyond.</param>
    /// <returns>Oldest first, empty if there is nothing between; null if there is no chain.</returns>
    internal static List<LtxFileInfo>? Find(IEnumerable<LtxFileInfo> files, Txid from, Txid to, bool exact)
    {
        if (from == to)
        {
            return [];
        }

        // Ends that can be reached, ascending, each with its cheapest way. An end that is not cheaper than a later one is of no use to
        // any file that can start from it, so costs ascend, too, and the first end that a file can start from is the best.
        List<Step> ends = [new Step(from, 0, null, default)];
        foreach (LtxFileInfo file in files
            .Where(file => file.Level != LtxFileInfo.SnapshotLevel && RestorePlanner.IsUsable(file) && file.MaxTxid > from && (!exact || file.MaxTxid <= to))
            .OrderBy(file => file.MaxTxid).ThenBy(file => file.Size))
        {
            int start = FirstFrom(ends, file.MinTxid);
            if (start == ends.Count || ends[start].End == file.MaxTxid || ends[start].End >= to)
            {
                continue;
            }

            var step = new Step(file.MaxTxid, ends[start].Cost + file.Size + RequestCost, ends[start], file);
            if (ends[^1].End == file.MaxTxid && ends[^1].Cost <= step.Cost)
            {
                continue;
            }

            while (ends[^1].Cost >= step.Cost)
            {
                ends.RemoveAt(ends.Count - 1);
            }

            ends.Add(step);
        }

        Step? best = ends.Where(step => step.End >= to).MinBy(step => step.Cost);
        List<LtxFileInfo> chain = [];
        for (Step? step = best; step?.Previous is not null; step = step.Previous)
        {
            chain.Add(step.File);
        }

        chain.Reverse();
        return best is null || chain.Count > MaxFiles ? null : chain;
    }

    /// <summary>Position of the first end that a file with this MinTXID continues.</summary>
    private static int FirstFrom(List<Step> ends, Txid min)
    {
        int low = 0;
        int high = ends.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = ends[middle].End.Value < min.Value - 1 ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private sealed record Step(Txid End, long Cost, Step? Previous, LtxFileInfo File);
}
