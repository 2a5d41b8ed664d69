using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Levels;

/// <summary>When a level has work (store-and-restore §2). Pure: the files decide, not a timer, so that an idle database has none.</summary>
internal static class LevelTiming
{
    /// <summary>When the next file of level 1 to 8 is due; null while there is nothing to merge.</summary>
    /// <param name="replica">The known files.</param>
    /// <param name="level">1 to 8.</param>
    /// <param name="interval">Length of its windows.</param>
    /// <param name="attempted">Start of the window in which this process tried last.</param>
    /// <param name="now">Current time.</param>
    public static DateTimeOffset? DueOfMerge(ReplicaListing replica, int level, TimeSpan interval, DateTimeOffset? attempted, DateTimeOffset now)
    {
        LtxFileInfo? newest = LevelFiles.Newest(replica[level]);
        Txid reached = newest?.MaxTxid ?? LevelFiles.Reach(replica[LtxFileInfo.SnapshotLevel]);
        IReadOnlyList<LtxFileInfo> source = replica[level - 1];
        if (reached.IsNone || source.Count == 0 || source[^1].MaxTxid <= reached)
        {
            return null;
        }

        DateTimeOffset window = LevelWindow.Start(now, interval);
        if (attempted == window || IsInWindow(newest, window, now))
        {
            return LevelWindow.Next(now, interval);
        }

        // A file is made at a boundary of what came before it. With only younger sources the boundary has been served, by this process
        // or by the one before the restart (trap C4): the time in a merged file is that of its newest source and cannot tell.
        return newest is null || HasOlder(source, reached, window, now) ? now : LevelWindow.Next(now, interval);
    }

    /// <summary>When the next snapshot is due; null while none is needed.</summary>
    /// <param name="replica">The known files.</param>
    /// <param name="interval">Length of the windows.</param>
    /// <param name="shift">Time of day of the boundaries (decision D13).</param>
    /// <param name="now">Current time.</param>
    public static DateTimeOffset? DueOfSnapshot(ReplicaListing replica, TimeSpan interval, TimeSpan shift, DateTimeOffset now)
    {
        Txid position = replica[0].Count > 0 ? replica[0][^1].MaxTxid : LevelFiles.Reach(replica[1]);
        LtxFileInfo? newest = LevelFiles.Newest(replica[LtxFileInfo.SnapshotLevel]);
        if (position.IsNone || position <= (newest?.MaxTxid ?? Txid.None))
        {
            return null;
        }

        if (newest is null)
        {
            // The first file is a base itself: a copy of it would double what is uploaded of a large database (decision D4).
            bool isOnlyBase = position.Value == 1 && replica[0].Count > 0 && replica[0][0].MinTxid.Value == 1;
            return isOnlyBase ? null : now;
        }

        return IsInWindow(newest, LevelWindow.Start(now, interval, shift), now) ? LevelWindow.Next(now, interval, shift) : now;
    }

    /// <summary>A time in the future comes from a clock that was wrong, and says nothing.</summary>
    private static bool IsInWindow(LtxFileInfo? newest, DateTimeOffset window, DateTimeOffset now) =>
        newest is { } file && file.CreatedAt >= window && file.CreatedAt <= now;

    private static bool HasOlder(IReadOnlyList<LtxFileInfo> source, Txid reached, DateTimeOffset window, DateTimeOffset now)
    {
        for (int i = source.Count - 1; i >= 0 && source[i].MaxTxid > reached; i--)
        {
            if (source[i].CreatedAt < window || source[i].CreatedAt > now)
            {
                return true;
            }
        }

        return false;
    }
}
