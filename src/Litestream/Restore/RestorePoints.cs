using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>
/// What a replica can give back: every transaction that <see cref="RestorePlanner"/> reaches, as points, as ranges of equal
/// granularity, and the gaps between them. A pure function of a listing; a test compares it with the planner on random listings.
/// </summary>
public sealed class RestorePoints
{
    private readonly List<RestorePoint> _points = [];
    private readonly List<RestoreRange> _ranges = [];
    private readonly List<RestoreGap> _gaps = [];

    private RestorePoints(IReadOnlyList<GenerationRange> generations) => Generations = generations;

    /// <summary>Every restorable transaction, ascending.</summary>
    public IReadOnlyList<RestorePoint> Points => _points;

    /// <summary>The points in runs of one granularity, ascending. A run also ends at a gap.</summary>
    public IReadOnlyList<RestoreRange> Ranges => _ranges;

    /// <summary>Where history is broken, ascending. Points inside a merged file are granularity, not gaps.</summary>
    public IReadOnlyList<RestoreGap> Gaps => _gaps;

    /// <summary>What v0.3 left, oldest first.</summary>
    public IReadOnlyList<GenerationRange> Generations { get; }

    /// <summary>Computes the points of a set of files.</summary>
    /// <param name="files">Files of any levels in any order; damaged ones left out.</param>
    /// <param name="generations">Files of v0.3, if any.</param>
    public static RestorePoints Of(IEnumerable<LtxFileInfo> files, IReadOnlyList<GenerationFile>? generations = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        var points = new RestorePoints(Restore.Generations.GenerationPoints.Of(generations ?? []));
        points.Add(files);
        return points;
    }

    private void Add(IEnumerable<LtxFileInfo> files)
    {
        List<LtxFileInfo> usable = [.. files.Where(RestorePlanner.IsUsable)];
        List<TxidRange> covered = Cover(usable.Where(file => file.Level != LtxFileInfo.SnapshotLevel));
        List<LtxFileInfo> unreachable = [];
        Txid last = Txid.None;
        foreach (IGrouping<Txid, LtxFileInfo> end in usable.GroupBy(file => file.MaxTxid).OrderBy(group => group.Key))
        {
            // A chain to here uses only files that end before, and whatever chain leads to the last point before leads here, too, if
            // any does: it is enough to look at that point.
            LtxFileInfo[] reaching = [.. end.Where(file => file.MinTxid.Value == 1 || Continues(file, last))];
            if (reaching.Length == 0)
            {
                unreachable.AddRange(end);
                continue;
            }

            bool broken = !Array.Exists(reaching, file => Continues(file, last)) && AddGap(last, end.Key, covered, unreachable);
            unreachable.Clear();
            Append(new RestorePoint(end.Key, reaching.Min(file => file.CreatedAt), reaching.Min(file => file.Level)), broken);
            last = end.Key;
        }

        AddGap(last, Txid.None, covered, unreachable);
    }

    /// <summary>The transactions of which there are files, as ranges that do not touch.</summary>
    private static List<TxidRange> Cover(IEnumerable<LtxFileInfo> files)
    {
        List<TxidRange> covered = [];
        foreach (LtxFileInfo file in files.OrderBy(file => file.MinTxid))
        {
            if (covered is [.., { } end] && (end.Last.Value == ulong.MaxValue || file.MinTxid <= end.Last.Next))
            {
                covered[^1] = end with { Last = file.MaxTxid > end.Last ? file.MaxTxid : end.Last };
            }
            else
            {
                covered.Add(new TxidRange(file.MinTxid, file.MaxTxid));
            }
        }

        return covered;
    }

    private static bool Continues(in LtxFileInfo file, Txid last) =>
        file.Level != LtxFileInfo.SnapshotLevel && !last.IsNone && file.MinTxid <= last.Next;

    private void Append(RestorePoint point, bool broken)
    {
        _points.Add(point);
        if (!broken && _ranges is [.., { } range] && range.Level == point.Level)
        {
            _ranges[^1] = range with { Last = point, Count = range.Count + 1 };
        }
        else
        {
            _ranges.Add(new RestoreRange(point, point, 1));
        }
    }

    /// <summary>Notes what is missing between the last point and where history resumes, or to the end; false if nothing is.</summary>
    private bool AddGap(Txid last, Txid resumes, List<TxidRange> covered, List<LtxFileInfo> unreachable)
    {
        if (unreachable.Count == 0 && (last.IsNone || resumes.IsNone))
        {
            return false; // History begins with this snapshot, or ends here.
        }

        List<TxidRange> missing = [];
        ulong next = last.Value + 1;
        ulong end = resumes.IsNone ? unreachable.Max(file => file.MaxTxid.Value) : resumes.Value - 1;
        foreach (TxidRange range in covered.Where(range => range.Last > last).TakeWhile(range => range.First.Value <= end))
        {
            if (range.First.Value > next)
            {
                missing.Add(new TxidRange(new Txid(next), new Txid(range.First.Value - 1)));
            }

            next = range.Last.Value == ulong.MaxValue ? ulong.MaxValue : range.Last.Value + 1;
        }

        if (next <= end && end != ulong.MaxValue)
        {
            missing.Add(new TxidRange(new Txid(next), new Txid(end)));
        }

        if (missing.Count == 0)
        {
            return false; // A merged file leads past the snapshot, or the snapshot holds the next transaction.
        }

        IEnumerable<RestorePoint> lost = unreachable.GroupBy(file => file.MaxTxid).OrderBy(group => group.Key)
            .Select(group => new RestorePoint(group.Key, group.Min(file => file.CreatedAt), group.Min(file => file.Level)));
        _gaps.Add(new RestoreGap(last, missing, [.. lost], resumes));
        return true;
    }
}
