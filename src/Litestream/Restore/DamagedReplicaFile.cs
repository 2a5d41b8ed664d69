using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>A file of the replica that could not be used, and why. The restore went on without it (decision D8).</summary>
/// <param name="File">The file as listed.</param>
/// <param name="Error">What is wrong with it.</param>
public sealed record DamagedReplicaFile(LtxFileInfo File, Exception Error)
{
    /// <summary>One line for the user.</summary>
    public override string ToString() => $"damaged ltx file: level={File.Level} min={File.MinTxid} max={File.MaxTxid}: {Error.Message}";
}

/// <summary>What a restore did.</summary>
/// <param name="Txid">The transaction restored to; none for a v0.3 backup.</param>
/// <param name="Bytes">Size of the database file.</param>
/// <param name="Plan">The plan that was carried out.</param>
public sealed record RestoreResult(Ltx.Txid Txid, long Bytes, RestorePlan Plan)
{
    /// <summary>What a delta restore took over; null if everything was fetched.</summary>
    public DeltaReport? Delta { get; init; }
}

/// <summary>How far a restore is.</summary>
/// <param name="BytesDone">Bytes of backup files read, decoded and written.</param>
/// <param name="BytesTotal">Bytes of all backup files of the plan.</param>
public readonly record struct RestoreProgress(long BytesDone, long BytesTotal);
