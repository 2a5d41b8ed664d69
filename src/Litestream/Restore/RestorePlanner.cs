using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>
/// Chooses the fewest files that lead from transaction 1 to the asked point (store-and-restore §9.2). A pure function of a listing:
/// a greedy interval cover with one forward cursor and one remembered candidate per level.
/// </summary>
internal sealed class RestorePlanner
{
    private readonly ReplicaListing _listing;
    private readonly Txid _target;
    private readonly DateTimeOffset? _before;
    private readonly IReadOnlyCollection<LtxFileInfo> _excluded;

    /// <param name="listing">The replica.</param>
    /// <param name="target">Last transaction wanted, or none.</param>
    /// <param name="before">Only files strictly older count, or null.</param>
    /// <param name="excluded">Files known to be damaged.</param>
    internal RestorePlanner(
        ReplicaListing listing, Txid target, DateTimeOffset? before, IReadOnlyCollection<LtxFileInfo>? excluded = null)
    {
        _listing = listing;
        _target = target;
        _before = before;
        _excluded = excluded ?? [];
    }

    /// <summary>Makes the plan.</summary>
    /// <returns>At least one file, oldest first; the first one has MinTXID 1.</returns>
    /// <exception cref="RestoreUnavailableException">The point cannot be reached.</exception>
    /// <exception cref="RestoreGapException">Newer files lie behind a gap, and no transaction was asked for by number.</exception>
    internal List<LtxFileInfo> Plan()
    {
        List<LtxFileInfo> plan = [];
        Txid reached = Txid.None;
        if (FindBase() is { } start)
        {
            plan.Add(start);
            reached = start.MaxTxid;
        }

        LevelCursor[] cursors = Cursors();
        reached = Extend(plan, cursors, reached);
        if (_target.IsNone && reached.Value != ulong.MaxValue)
        {
            ThrowIfFilesAreBehindAGap(cursors, reached);
        }

        if (plan.Count == 0 || (!_target.IsNone && reached != _target))
        {
            throw Unavailable(reached);
        }

        return plan;
    }

    /// <summary>Whether a name makes sense at all: upstream's names never violate this, made-up ones may.</summary>
    internal static bool IsUsable(LtxFileInfo file) =>
        file.MinTxid <= file.MaxTxid && !file.MinTxid.IsNone && (file.Level != LtxFileInfo.SnapshotLevel || file.MinTxid.Value == 1);

    /// <summary>Files that lead from a state onward as far as they go, snapshots left out; empty if none continues it.</summary>
    /// <param name="reached">The state.</param>
    internal List<LtxFileInfo> PlanFrom(Txid reached)
    {
        List<LtxFileInfo> plan = [];
        Extend(plan, Cursors(), reached);
        return plan;
    }

    private Txid Extend(List<LtxFileInfo> plan, LevelCursor[] cursors, Txid reached)
    {
        while (!IsTarget(reached) && Best(cursors, reached) is { } next)
        {
            plan.Add(next);
            reached = next.MaxTxid;
        }

        return reached;
    }

    private bool IsTarget(Txid reached) => !_target.IsNone && reached == _target;

    private bool IsEligible(in LtxFileInfo file) =>
        (_target.IsNone || file.MaxTxid <= _target)
        && (_before is not { } time || file.CreatedAt < time)
        && IsUsable(file)
        && (_excluded.Count == 0 || !_excluded.Contains(file));

    private LevelCursor[] Cursors() => [.. Enumerable.Range(0, LtxFileInfo.SnapshotLevel).Select(level => new LevelCursor(_listing[level]))];

    private LtxFileInfo? FindBase()
    {
        IReadOnlyList<LtxFileInfo> snapshots = _listing[LtxFileInfo.SnapshotLevel];
        LtxFileInfo? newest = null;
        foreach (LtxFileInfo file in snapshots)
        {
            if (IsEligible(file) && (newest is not { } best || file.MaxTxid > best.MaxTxid))
            {
                newest = file;
            }
        }

        return newest;
    }

    private LtxFileInfo? Best(LevelCursor[] cursors, Txid reached)
    {
        LtxFileInfo? best = null;
        for (int level = cursors.Length - 1; level >= 0; level--)
        {
            if (cursors[level].Advance(this, reached) is { } candidate && (best is not { } current || IsBetter(candidate, current)))
            {
                best = candidate;
            }
        }

        return best;
    }

    /// <summary>Reaches further; on a tie starts earlier, then has the higher level, then is older.</summary>
    private static bool IsBetter(in LtxFileInfo a, in LtxFileInfo b)
    {
        if (a.MaxTxid != b.MaxTxid)
        {
            return a.MaxTxid > b.MaxTxid;
        }

        if (a.MinTxid != b.MinTxid)
        {
            return a.MinTxid < b.MinTxid;
        }

        return a.Level != b.Level ? a.Level > b.Level : a.CreatedAt < b.CreatedAt;
    }

    private void ThrowIfFilesAreBehindAGap(LevelCursor[] cursors, Txid reached)
    {
        List<LtxFileInfo> behind = [.. cursors.SelectMany(cursor => cursor.Rest).Where(file => file.MinTxid > reached.Next && IsEligible(file))];

        // Without any start the message about the missing start says more.
        if (behind.Count == 0 || reached.IsNone)
        {
            return;
        }

        // Files that are older than the time but lie inside a merged file that is newer: granularity, nothing is missing (§9.3).
        Txid covered = _before is null ? reached : CoverageFrom(reached);
        if (behind.Select(file => file.MinTxid).Where(min => covered.Value != ulong.MaxValue && min > covered.Next).Order().FirstOrDefault() is { IsNone: false } next)
        {
            throw new RestoreGapException(reached, next);
        }
    }

    /// <summary>How far files of any time lead on without a gap.</summary>
    private Txid CoverageFrom(Txid reached)
    {
        var anyTime = new RestorePlanner(_listing, Txid.None, null, _excluded);
        LevelCursor[] cursors = Cursors();
        while (anyTime.Best(cursors, reached) is { } next)
        {
            reached = next.MaxTxid;
        }

        return reached;
    }

    private RestoreUnavailableException Unavailable(Txid reached)
    {
        if (_listing.IsEmpty)
        {
            return new RestoreUnavailableException(RestoreUnavailableReason.EmptyReplica);
        }

        if (!_listing.All.Any(file => file.MinTxid.Value == 1))
        {
            LtxFileInfo first = _listing.All.MinBy(file => file.MinTxid);
            return new RestoreUnavailableException(
                RestoreUnavailableReason.NoValidStart,
                $"the replica holds {_listing.All.Count()} files, but none begins at transaction 1 (the first is level={first.Level} "
                + $"min={first.MinTxid} max={first.MaxTxid}): its snapshots are missing");
        }

        return _target.IsNone
            ? new RestoreUnavailableException(RestoreUnavailableReason.NothingBeforeTimestamp)
            : new RestoreUnavailableException(
                RestoreUnavailableReason.TransactionNotAvailable,
                reached.IsNone
                    ? $"no snapshot at or before transaction {_target}"
                    : $"transaction {_target} is not the end of a file that can be reached; the last one before it is {reached}");
    }

    /// <summary>Walks one level once, however many files are chosen.</summary>
    private sealed class LevelCursor(IReadOnlyList<LtxFileInfo> files)
    {
        private int _next;
        private LtxFileInfo? _candidate;

        /// <summary>Files that begin too late to be used so far.</summary>
        internal IEnumerable<LtxFileInfo> Rest => files.Skip(_next);

        /// <summary>The best file of this level that continues from what is reached, or null.</summary>
        internal LtxFileInfo? Advance(RestorePlanner planner, Txid reached)
        {
            while (_next < files.Count && (reached.Value == ulong.MaxValue || files[_next].MinTxid <= reached.Next))
            {
                LtxFileInfo file = files[_next++];
                if (planner.IsEligible(file) && (_candidate is not { } best || IsBetter(file, best)))
                {
                    _candidate = file;
                }
            }

            return _candidate is { } known && known.MaxTxid > reached ? known : null;
        }
    }
}
