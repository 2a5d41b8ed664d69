using Litestream.Ltx;

namespace Litestream.Storage;

/// <summary>One LTX file of a replica as a listing or a write reports it (backends §1.1).</summary>
/// <param name="Level">0 = as synced, 1-8 = merged, 9 = snapshots.</param>
/// <param name="MinTxid">First transaction in the file.</param>
/// <param name="MaxTxid">Last transaction in the file.</param>
/// <param name="Size">Bytes of the object.</param>
/// <param name="CreatedAt">Header time of the file where the store keeps it, else the store's own time (backends §1.8).</param>
public readonly record struct LtxFileInfo(int Level, Txid MinTxid, Txid MaxTxid, long Size, DateTimeOffset CreatedAt)
{
    /// <summary>Level of full snapshots.</summary>
    public const int SnapshotLevel = 9;

    /// <summary>Number of levels a replica can have (0 to 9).</summary>
    public const int LevelCount = 10;

    /// <summary>File name without directory, e.g. <c>0000000000000001-0000000000000003.ltx</c>.</summary>
    public string Name => LtxFileName.Format(MinTxid, MaxTxid);
}
