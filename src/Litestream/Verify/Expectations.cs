using Litestream.Ltx;
using Litestream.Restore;
using Litestream.State;
using Litestream.Storage;

namespace Litestream.Verify;

/// <summary>What a replica has to hold as far as the state directory and earlier runs know (decisions D7, D14).</summary>
internal sealed class Expectations
{
    private static readonly TimeSpan UploadTime = TimeSpan.FromMinutes(1);

    /// <summary>Stores and machines have clocks of their own; a point that is about to expire is not insisted on.</summary>
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(10);

    private readonly VerifyMemory memory;
    private readonly DateTimeOffset? since;
    private readonly DateTimeOffset? levelZeroSince;
    private readonly Txid newestLocal;

    /// <summary>Reads the state directory; listings of the replica have to come after that.</summary>
    public Expectations(IFileSystem files, VerifyOptions options, VerifyMemory memory, DateTimeOffset now)
    {
        this.memory = memory;
        if (options.Database is not { } database)
        {
            return;
        }

        since = now - Tolerant(database.SnapshotRetention);
        levelZeroSince = database.L0Retention > TimeSpan.Zero ? now - Tolerant(database.L0Retention) : DateTimeOffset.MinValue;
        List<LtxFileInfo> local = new LocalLtxDirectory(files, database.StateDirectory).List();
        Txid position = local.Count > 0 ? local[^1].MaxTxid : Txid.None;
        Newest = position.IsNone || position >= memory.Newest ? memory.Newest : Forget();
        foreach (LtxFileInfo file in local)
        {
            // With a daemon at work the newest files are on their way.
            if (file.MaxTxid > newestLocal && (!options.UploadsRun || now - file.CreatedAt > UploadTime))
            {
                newestLocal = file.MaxTxid;
            }
        }
    }

    /// <summary>The newest transaction that an earlier run saw on the replica; none = not known.</summary>
    public Txid Newest { get; }

    /// <summary>Whether the replica must hold anything.</summary>
    public bool Any => !Newest.IsNone || !newestLocal.IsNone;

    /// <summary>What must be there besides what is listed.</summary>
    public PromisedPoints For(ReplicaListing listing)
    {
        HashSet<(int, Txid, Txid)> listed = [.. listing.All.Select(file => (file.Level, file.MinTxid, file.MaxTxid))];
        List<Txid> ends =
        [
            .. memory.Seen.Select(seen => seen.File)
                .Where(file => !listed.Contains((file.Level, file.MinTxid, file.MaxTxid)) && IsPromised(file))
                .Select(file => file.MaxTxid),
        ];
        return new PromisedPoints(since, Newest, newestLocal, ends);
    }

    /// <summary>Every transaction while level 0 is kept, else every level-1 boundary back to the retention (decision D14).</summary>
    private bool IsPromised(in LtxFileInfo file) => file.Level switch
    {
        0 => file.CreatedAt >= levelZeroSince,
        1 => file.CreatedAt >= since,
        _ => false,
    };

    /// <summary>The local history is younger than the memory: the replica was begun anew, and nothing that was there before is missing.</summary>
    private Txid Forget()
    {
        memory.Forget();
        return Txid.None;
    }

    private static TimeSpan Tolerant(TimeSpan retention) => retention - TimeSpan.FromTicks(Math.Min(retention.Ticks / 5, ClockTolerance.Ticks));
}
