using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Levels;

/// <summary>
/// Chooses what may be deleted (store-and-restore §6, decisions D13, D14). Promised are every level-0 file while it is kept, and every
/// level-1 boundary back to now - snapshot retention; nothing goes that the way to a promised point needs. Pure functions.
/// </summary>
internal static class RetentionPlanner
{
    /// <summary>Level 0: by age, and only what level 1 holds, or what lies before the snapshot behind which level 1 starts (D4).</summary>
    /// <param name="replica">The known files.</param>
    /// <param name="rules">Ages.</param>
    /// <param name="settled">
    /// The transaction that level 1 reached at least the retention ago: who polls needs that time to see the merged file (trap A8).
    /// </param>
    /// <param name="now">Current time.</param>
    public static RetentionPlan PlanLevelZero(ReplicaListing replica, RetentionRules rules, Txid settled, DateTimeOffset now)
    {
        IReadOnlyList<LtxFileInfo> files = replica[0];
        if (rules.LevelZero <= TimeSpan.Zero || files.Count == 0)
        {
            return new RetentionPlan([], null);
        }

        DateTimeOffset threshold = now - rules.LevelZero;
        Txid merged = LevelFiles.Reach(replica[1]);
        Txid limit = merged.IsNone ? LevelFiles.Reach(replica[LtxFileInfo.SnapshotLevel]) : merged;
        limit = settled < limit ? settled : limit;

        // The walk ends at the first young file, and the newest one is the position of the replica: it always stays.
        int kept = 0;
        while (kept < files.Count - 1 && files[kept].CreatedAt <= threshold && files[kept].MaxTxid <= limit)
        {
            kept++;
        }

        List<LtxFileInfo> expired = [];
        DateTimeOffset? next = null;
        Txid mergedEnd = Txid.None;
        for (int i = 0; i < files.Count && files[i].MaxTxid <= limit; i++)
        {
            // The files of one merged file go together: with a part of them gone, its other points could not be reached any more.
            if (files[i].MaxTxid > mergedEnd)
            {
                mergedEnd = LevelFiles.CoverEnd(replica[1], new TxidRange(files[i].MinTxid, files[i].MaxTxid)) ?? Txid.None;
            }

            Txid end = mergedEnd.IsNone ? SnapshotEnd(replica, files[i].MaxTxid) : mergedEnd;
            if (end.IsNone)
            {
                continue;
            }

            if (i < kept && end <= files[kept].MaxTxid && YoungestPoint(replica[1], files[i].MaxTxid, end, DateTimeOffset.MinValue) is null)
            {
                expired.Add(files[i]);
            }
            else if (i < files.Count - 1 && next is null)
            {
                next = Later(YoungestBefore(files, i, end) + rules.LevelZero, now);
            }
        }

        expired.Reverse();
        return new RetentionPlan(expired, next);
    }

    /// <summary>Snapshots, the levels below the oldest one that is kept, and levels with a retention of their own.</summary>
    /// <param name="replica">The known files.</param>
    /// <param name="rules">Ages.</param>
    /// <param name="now">Current time.</param>
    public static RetentionPlan PlanLevels(ReplicaListing replica, RetentionRules rules, DateTimeOffset now)
    {
        DateTimeOffset cutoff = now - rules.Snapshot;
        Txid oldest = OldestPromised(replica, cutoff);
        LtxFileInfo? start = FindBase(replica[LtxFileInfo.SnapshotLevel], cutoff, oldest);
        var expired = new HashSet<LtxFileInfo>();
        Txid floor = start?.MaxTxid ?? Txid.None;
        expired.UnionWith(replica[LtxFileInfo.SnapshotLevel].Where(file => file.MaxTxid < floor));
        for (int level = 1; level < LtxFileInfo.SnapshotLevel; level++)
        {
            AddBelowFloor(replica, rules, level, floor, expired);
        }

        DateTimeOffset? next = NextBase(replica, floor, rules.Snapshot, now);
        for (int level = 1; level < rules.Levels.Count; level++)
        {
            if (rules.Levels[level - 1] is { } age)
            {
                next = Earliest(next, AddExpiredOf(replica, level, age, rules.Snapshot, now, expired));
            }
        }

        return new RetentionPlan([.. expired.OrderByDescending(file => file.MaxTxid).ThenBy(file => file.Level)], next);
    }

    /// <summary>
    /// The newest snapshot that is older than every promised point. Its age alone does not say that: a clock that was wrong once may have
    /// given it any time.
    /// </summary>
    private static LtxFileInfo? FindBase(IReadOnlyList<LtxFileInfo> snapshots, DateTimeOffset cutoff, Txid oldest)
    {
        LtxFileInfo? found = null;
        foreach (LtxFileInfo snapshot in snapshots)
        {
            if (snapshot.MinTxid.Value == 1 && snapshot.CreatedAt < cutoff && snapshot.MaxTxid <= oldest
                && (found is not { } best || snapshot.MaxTxid > best.MaxTxid))
            {
                found = snapshot;
            }
        }

        return found;
    }

    private static Txid OldestPromised(ReplicaListing replica, DateTimeOffset cutoff)
    {
        var oldest = new Txid(ulong.MaxValue);
        for (int level = 1; level < LtxFileInfo.SnapshotLevel; level++)
        {
            // Every end of a merged file was one of level 1, whose own file may be gone already.
            foreach (LtxFileInfo file in replica[level])
            {
                if (file.CreatedAt >= cutoff && file.MaxTxid < oldest)
                {
                    oldest = file.MaxTxid;
                }
            }
        }

        // Level 0 from transaction 1 on needs no base.
        Txid reached = Txid.None;
        foreach (LtxFileInfo file in replica[0])
        {
            if (reached.Value != ulong.MaxValue && file.MinTxid <= reached.Next)
            {
                reached = file.MaxTxid > reached ? file.MaxTxid : reached;
            }
            else
            {
                return file.MaxTxid < oldest ? file.MaxTxid : oldest;
            }
        }

        return oldest;
    }

    private static void AddBelowFloor(ReplicaListing replica, RetentionRules rules, int level, Txid floor, HashSet<LtxFileInfo> expired)
    {
        IReadOnlyList<LtxFileInfo> files = replica[level];
        if (LevelFiles.Newest(files) is not { } newest)
        {
            return;
        }

        // What the next level has still to merge stays, or that level would get a gap (trap R13). An empty one starts behind a snapshot.
        Txid limit = floor;
        if (level < rules.Levels.Count && replica[level + 1].Count > 0)
        {
            Txid reach = LevelFiles.Reach(replica[level + 1]);
            limit = reach < floor && !reach.IsNone ? reach.Next : floor;
        }

        foreach (LtxFileInfo file in files)
        {
            if (file.MaxTxid < limit && file != newest)
            {
                expired.Add(file);
            }
        }
    }

    /// <summary>When the next snapshot becomes the base, so that what lies below it can go.</summary>
    private static DateTimeOffset? NextBase(ReplicaListing replica, Txid floor, TimeSpan retention, DateTimeOffset now)
    {
        LtxFileInfo? next = null;
        foreach (LtxFileInfo snapshot in replica[LtxFileInfo.SnapshotLevel])
        {
            if (snapshot.MaxTxid > floor && (next is not { } known || snapshot.MaxTxid < known.MaxTxid))
            {
                next = snapshot;
            }
        }

        if (next is not { } candidate)
        {
            return null;
        }

        DateTimeOffset youngest = candidate.CreatedAt;
        foreach (LtxFileInfo file in replica[1])
        {
            if (file.MaxTxid < candidate.MaxTxid && file.CreatedAt > youngest)
            {
                youngest = file.CreatedAt;
            }
        }

        return Later(youngest + retention, now);
    }

    /// <summary>Decision D13: old files that the next level holds without a gap, and that no promised point needs.</summary>
    private static DateTimeOffset? AddExpiredOf(
        ReplicaListing replica, int level, TimeSpan age, TimeSpan promise, DateTimeOffset now, HashSet<LtxFileInfo> expired)
    {
        LtxFileInfo? newest = LevelFiles.Newest(replica[level]);
        DateTimeOffset? next = null;
        Txid? decidedEnd = null;
        DateTimeOffset? neededUntil = null;
        foreach (LtxFileInfo file in replica[level])
        {
            if (file == newest || expired.Contains(file)
                || LevelFiles.CoverEnd(replica[level + 1], new TxidRange(file.MinTxid, file.MaxTxid)) is not { } end)
            {
                continue;
            }

            if (end != decidedEnd)
            {
                // Decided for all files that one merged file replaces: each is on the way to the points of the later ones.
                decidedEnd = end;
                neededUntil = YoungestPoint(replica[0], file.MinTxid, end, DateTimeOffset.MinValue) is not null
                    ? DateTimeOffset.MaxValue
                    : Enumerable.Range(1, level).Max(l => YoungestPoint(replica[l], file.MinTxid, end, now - promise)) + promise;
            }

            if (file.CreatedAt > now - age || neededUntil is not null)
            {
                DateTimeOffset free = neededUntil > file.CreatedAt + age ? neededUntil.Value : file.CreatedAt + age;
                next = free == DateTimeOffset.MaxValue ? next : Earliest(next, Later(free, now));
            }
            else
            {
                expired.Add(file);
            }
        }

        return next;
    }

    /// <summary>End of the earliest snapshot that holds a transaction; none if there is no such.</summary>
    private static Txid SnapshotEnd(ReplicaListing replica, Txid txid)
    {
        Txid end = Txid.None;
        foreach (LtxFileInfo snapshot in replica[LtxFileInfo.SnapshotLevel])
        {
            if (snapshot.MinTxid.Value == 1 && snapshot.MaxTxid >= txid && (end.IsNone || snapshot.MaxTxid < end))
            {
                end = snapshot.MaxTxid;
            }
        }

        return end;
    }

    /// <summary>Time of the youngest file that ends at or behind a transaction and before another one, if it is at least so young.</summary>
    private static DateTimeOffset? YoungestPoint(IReadOnlyList<LtxFileInfo> files, Txid from, Txid before, DateTimeOffset since)
    {
        DateTimeOffset? youngest = null;
        for (int i = LevelFiles.FirstBehind(files, before) - 1; i >= 0; i--)
        {
            LtxFileInfo file = files[i];
            if (file.MaxTxid >= from && file.MaxTxid < before && file.CreatedAt >= since && (youngest is not { } known || file.CreatedAt > known))
            {
                youngest = file.CreatedAt;
            }
        }

        return youngest;
    }

    private static DateTimeOffset YoungestBefore(IReadOnlyList<LtxFileInfo> files, int first, Txid end)
    {
        DateTimeOffset youngest = files[first].CreatedAt;
        for (int i = first; i < files.Count && files[i].MaxTxid < end; i++)
        {
            youngest = files[i].CreatedAt > youngest ? files[i].CreatedAt : youngest;
        }

        return youngest;
    }

    private static DateTimeOffset? Later(DateTimeOffset time, DateTimeOffset now) => time >= now ? time.AddTicks(1) : null;

    private static DateTimeOffset? Earliest(DateTimeOffset? a, DateTimeOffset? b) => a is not { } x ? b : b is { } y && y < x ? b : a;
}
