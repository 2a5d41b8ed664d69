using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Follow;

/// <summary>What to apply next, decided from a listing of all levels (store-and-restore §12; traps F-a, F-b, F-e).</summary>
/// <param name="Files">Files that continue the database, in order; may be empty.</param>
/// <param name="IsRebase">True when only a snapshot leads on: the first file holds all pages.</param>
/// <param name="Problem">Why newer transactions cannot be reached, or why the replica is not the one that was followed; null = all is well.</param>
internal sealed record FollowPlan(IReadOnlyList<LtxFileInfo> Files, bool IsRebase, string? Problem)
{
    /// <summary>Plans from a transaction onward.</summary>
    /// <param name="listing">The replica.</param>
    /// <param name="current">Last transaction of the database.</param>
    /// <param name="excluded">Files known to be damaged.</param>
    internal static FollowPlan Make(ReplicaListing listing, Txid current, IReadOnlyCollection<LtxFileInfo> excluded)
    {
        Txid newest = listing.All.Where(RestorePlanner.IsUsable).Select(file => file.MaxTxid).DefaultIfEmpty().Max();
        if (newest < current)
        {
            return new FollowPlan([], false,
                $"the database is at transaction {current}, the replica ends at {newest}: it was reset or is another one. "
                + "Check the replica; to follow it as it is, delete the database and its -txid file");
        }

        var planner = new RestorePlanner(listing, Txid.None, null, excluded);
        List<LtxFileInfo> files = planner.PlanFrom(current);
        Txid nearest = listing.All.Where(file => RestorePlanner.IsUsable(file) && file.MinTxid > current.Next && !excluded.Contains(file))
            .Select(file => file.MinTxid).DefaultIfEmpty().Min();
        LtxFileInfo? snapshot = files.Count > 0 ? null : listing[LtxFileInfo.SnapshotLevel]
            .Where(file => RestorePlanner.IsUsable(file) && file.MaxTxid > current && !excluded.Contains(file))
            .Select(file => (LtxFileInfo?)file).LastOrDefault();
        if (snapshot is { } start)
        {
            return new FollowPlan([start, .. planner.PlanFrom(start.MaxTxid)], true, null);
        }

        // Files behind a gap do not matter while there is something to apply before it: the next plan sees to them.
        string? problem = files.Count > 0 || nearest.IsNone ? null
            : $"the database is at transaction {current}, the next file of the replica begins at {nearest}, and no snapshot covers the gap";
        return new FollowPlan(files, false, problem);
    }
}
