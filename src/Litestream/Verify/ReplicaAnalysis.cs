using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Verify;

/// <summary>
/// What the state of single files means for the replica: the newest proven point, what is missing, and which points that costs.
/// A pure function.
/// </summary>
internal sealed class ReplicaAnalysis
{
    private readonly ReplicaListing listing;
    private readonly Func<LtxFileInfo, CheckedFile?> known;
    private readonly PromisedPoints promised;
    private readonly List<VerifyFinding> findings = [];

    private ReplicaAnalysis(ReplicaListing listing, Func<LtxFileInfo, CheckedFile?> known, PromisedPoints promised)
    {
        this.listing = listing;
        this.known = known;
        this.promised = promised;
    }

    /// <summary>The chain that leads to the newest proven point, oldest file first; empty without one.</summary>
    public IReadOnlyList<LtxFileInfo> Chain { get; private set; } = [];

    /// <summary>Files that are damaged, misplaced or missing, by level and transaction.</summary>
    public IReadOnlyList<VerifyFinding> Damaged { get; private set; } = [];

    /// <summary>Files that could not be read.</summary>
    public IReadOnlyList<VerifyFinding> Unreadable { get; private set; } = [];

    /// <summary>Points that the damage costs.</summary>
    public IReadOnlyList<TxidRange> Lost { get; private set; } = [];

    /// <summary>Computes it.</summary>
    /// <param name="listing">The replica.</param>
    /// <param name="known">What is known of a file; null = it was not read yet.</param>
    /// <param name="promised">What the replica has to hold, whatever it lists.</param>
    public static ReplicaAnalysis Of(ReplicaListing listing, Func<LtxFileInfo, CheckedFile?> known, PromisedPoints promised)
    {
        var analysis = new ReplicaAnalysis(listing, known, promised);
        analysis.Run();
        return analysis;
    }

    private void Run()
    {
        List<LtxFileInfo> all = [.. listing.All.Where(RestorePlanner.IsUsable)];
        foreach (LtxFileInfo file in all)
        {
            if (known(file)?.Finding is { } finding)
            {
                findings.Add(finding);
            }
            else if (MissingGrowth(file) is { } growth)
            {
                findings.Add(growth);
            }
        }

        HashSet<(int, Txid, Txid)> bad = [.. findings.Select(f => (f.Level, f.MinTxid, f.MaxTxid))];
        bool IsBad(LtxFileInfo file) => bad.Contains((file.Level, file.MinTxid, file.MaxTxid));
        HashSet<(int, Txid, Txid)> unreadable =
            [.. findings.Where(f => f.Problem == VerifyProblem.Unreadable).Select(f => (f.Level, f.MinTxid, f.MaxTxid))];
        FindChain([.. all.Where(file => !IsBad(file) && known(file) is not null)]);
        for (int level = 0; level < LtxFileInfo.SnapshotLevel; level++)
        {
            FindHoles(level, listing[level]);
        }

        FindMissingEnd();

        // What was not read yet, or could not be read, may be intact: only known damage costs points.
        FindLost(all, [.. all.Where(file => !IsBad(file) || unreadable.Contains((file.Level, file.MinTxid, file.MaxTxid)))]);
        Damaged = [.. findings.Where(f => f.Problem != VerifyProblem.Unreadable).OrderBy(f => (f.Level, f.MinTxid, f.MaxTxid))];
        Unreadable = [.. findings.Where(f => f.Problem == VerifyProblem.Unreadable).OrderBy(f => (f.Level, f.MinTxid, f.MaxTxid))];
    }

    /// <summary>
    /// A file that makes the database larger must hold all pages behind the old end: nothing else has them, and every chain through it
    /// fails at its end (trap C21).
    /// </summary>
    private VerifyFinding? MissingGrowth(in LtxFileInfo file)
    {
        if (known(file)?.Content is not { } content || file.MinTxid.Value == 1)
        {
            return null;
        }

        Txid before = new(file.MinTxid.Value - 1);
        uint? oldCommit = CommitAt(before, content.PageSize);
        return oldCommit is { } commit && content.Commit > commit && content.TailStart > commit + 1
            ? VerifyFinding.Of(
                file, VerifyProblem.Damaged,
                $"the database grew from {commit} to {content.Commit} pages, but not all of the new pages are in the file")
            : null;
    }

    private uint? CommitAt(Txid txid, int pageSize)
    {
        for (int level = 0; level < LtxFileInfo.LevelCount; level++)
        {
            if (FindEnd(listing[level], txid) is { } file && known(file)?.Content is { } content && content.PageSize == pageSize)
            {
                return content.Commit;
            }
        }

        return null;
    }

    private static LtxFileInfo? FindEnd(IReadOnlyList<LtxFileInfo> files, Txid txid)
    {
        // Levels are sorted by their first transaction; ends ascend with it except where files overlap, which only costs an answer here.
        int low = 0;
        int high = files.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            if (files[middle].MaxTxid == txid)
            {
                return files[middle];
            }

            (low, high) = files[middle].MaxTxid < txid ? (middle + 1, high) : (low, middle - 1);
        }

        return null;
    }

    private void FindChain(List<LtxFileInfo> intact)
    {
        // Not beyond the newest proven point: files behind a gap, or not read yet, are no failure here.
        for (IReadOnlyList<RestorePoint> points = RestorePoints.Of(intact).Points; points.Count > 0; points = RestorePoints.Of(intact).Points)
        {
            List<LtxFileInfo> chain = new RestorePlanner(ReplicaListing.Of(intact), points[^1].Txid, null).Plan();
            int pageSize = known(chain[^1])!.Content!.Value.PageSize;
            if (chain.TrueForAll(file => known(file)!.Content!.Value.PageSize == pageSize))
            {
                Chain = chain;
                return;
            }

            // Files of two page sizes do not merge; without a snapshot of the new size this point cannot be restored.
            findings.Add(VerifyFinding.Of(
                chain[^1], VerifyProblem.Damaged, $"it has pages of {pageSize} bytes, the files that lead to it have another page size"));
            intact.RemoveAll(file => file.MaxTxid == points[^1].Txid);
        }
    }

    private void FindHoles(int level, IReadOnlyList<LtxFileInfo> files)
    {
        Txid reached = Txid.None;
        foreach (LtxFileInfo file in files.Where(RestorePlanner.IsUsable))
        {
            if (!reached.IsNone && file.MinTxid.Value > reached.Value + 1)
            {
                var hole = new TxidRange(reached.Next, new Txid(file.MinTxid.Value - 1));
                findings.Add(VerifyFinding.Missing(level, hole, $"the level goes on at {file.MinTxid}, after a gap"));
            }

            reached = file.MaxTxid > reached ? file.MaxTxid : reached;
        }
    }

    private void FindMissingEnd()
    {
        AddMissingEnd(listing.Newest, promised.Newest, "an earlier run saw");
        AddMissingEnd(listing[0].Select(file => file.MaxTxid).DefaultIfEmpty().Max(), promised.NewestLocal, "the state directory holds");
    }

    private void AddMissingEnd(Txid reached, Txid expected, string source)
    {
        if (expected > reached && !findings.Exists(finding => finding.Level == 0 && finding.Problem == VerifyProblem.Missing && finding.MaxTxid >= expected))
        {
            findings.Add(VerifyFinding.Missing(0, new TxidRange(reached.Next, expected), $"level 0 ends before, but {source} {expected}"));
        }
    }

    private void FindLost(List<LtxFileInfo> all, List<LtxFileInfo> usable)
    {
        List<Txid> reachable = [.. RestorePoints.Of(usable).Points.Select(point => point.Txid)];
        HashSet<Txid> reachableIfIntact = [.. RestorePoints.Of(all).Points.Select(point => point.Txid)];
        Txid oldestBase = all.Where(file => file.MinTxid.Value == 1).Select(file => (Txid?)file.MaxTxid).Min() ?? new Txid(ulong.MaxValue);
        var lost = new List<TxidRange>();
        foreach (LtxFileInfo file in all)
        {
            // What ends before the oldest base and could not be reached in any case has expired: another program's retention leaves such
            // files. Within the promised time it has not.
            bool expired = !reachableIfIntact.Contains(file.MaxTxid) && file.MaxTxid < oldestBase
                && oldestBase.Value != ulong.MaxValue && !(file.CreatedAt >= promised.Since);
            if (!expired)
            {
                lost.Add(new TxidRange(file.MaxTxid, file.MaxTxid));
            }
        }

        // Each transaction that level 0 lacks was a point, of the other levels at least the last one of a hole.
        foreach (VerifyFinding finding in findings.Where(finding => finding.Problem == VerifyProblem.Missing))
        {
            lost.Add(new TxidRange(finding.Level == 0 ? finding.MinTxid : finding.MaxTxid, finding.MaxTxid));
        }

        lost.AddRange(promised.Ends.Select(end => new TxidRange(end, end)));
        Lost = LostPoints.Merge(lost, reachable);
    }
}
