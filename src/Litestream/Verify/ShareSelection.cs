using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Verify;

/// <summary>
/// Which files one run of a rolling verification reads. Files are read whole, so a run may read more than its share; the next ones then
/// read less, and on average it is exactly one n-th of the replica's bytes. First comes what has waited for n runs, so that no file is
/// left out for good; then what is missing to prove the newest point; then what was read longest ago.
/// </summary>
internal static class ShareSelection
{
    /// <summary>Selects the files and settles the credit of the memory.</summary>
    /// <param name="listing">The replica.</param>
    /// <param name="memory">What was read when.</param>
    /// <param name="share">One n-th, at least 1; 1 = everything.</param>
    public static List<LtxFileInfo> Select(ReplicaListing listing, VerifyMemory memory, int share)
    {
        List<LtxFileInfo> all = [.. listing.All];
        if (share <= 1)
        {
            memory.Credit = 0;
            return all;
        }

        long total = all.Sum(static file => file.Size);
        long credit = Math.Min(memory.Credit, total) + ((total + share - 1) / share);
        HashSet<LtxFileInfo> chain = [.. NewestChain(listing)];
        var selected = new List<LtxFileInfo>();
        foreach (LtxFileInfo file in all.OrderBy(Rank).ThenBy(file => memory.Find(file)?.WaitsSince ?? memory.Run).ThenByDescending(file => file.MaxTxid))
        {
            bool damaged = memory.Find(file)?.Check?.Finding is not null;
            if (credit <= 0 && !damaged)
            {
                continue;
            }

            credit -= file.Size;
            selected.Add(file);
        }

        memory.Credit = Math.Min(credit, 0);
        return selected;

        int Rank(LtxFileInfo file)
        {
            SeenFile? seen = memory.Find(file);
            return seen?.Check?.Finding is not null ? 0
                : seen is not null && memory.Run - seen.WaitsSince >= share ? 1
                : seen?.Check is null && chain.Contains(file) ? 2
                : 3;
        }
    }

    private static List<LtxFileInfo> NewestChain(ReplicaListing listing)
    {
        try
        {
            return new RestorePlanner(listing, default, null).Plan();
        }
        catch (Exception e) when (e is RestoreUnavailableException or RestoreGapException)
        {
            return []; // The analysis says so.
        }
    }
}
