using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>Which files give the asked state, oldest first.</summary>
/// <param name="Files">LTX files; the first holds all pages. Empty when <paramref name="Generation"/> is set.</param>
/// <param name="Generation">A v0.3 backup to restore instead, or null.</param>
/// <param name="Damaged">Files that a better plan would have used, had they not been damaged.</param>
public sealed record RestorePlan(
    IReadOnlyList<LtxFileInfo> Files, GenerationPlan? Generation, IReadOnlyList<DamagedReplicaFile> Damaged)
{
    /// <summary>First transaction of the first file; none for v0.3.</summary>
    public Txid MinTxid => Files.Count == 0 ? Txid.None : Files[0].MinTxid;

    /// <summary>The transaction that is restored; none for v0.3.</summary>
    public Txid MaxTxid => Files.Count == 0 ? Txid.None : Files[^1].MaxTxid;

    /// <summary>Bytes to read from the replica.</summary>
    public long Size => Generation?.Size ?? Files.Sum(file => file.Size);
}

/// <summary>A snapshot of a v0.3 replica and the WAL segments to apply to it, in order (store-and-restore §13.2).</summary>
/// <param name="Snapshot">The snapshot.</param>
/// <param name="Segments">Segments of the same generation, by index and offset.</param>
public sealed record GenerationPlan(GenerationFile Snapshot, IReadOnlyList<GenerationFile> Segments)
{
    /// <summary>The generation of all files.</summary>
    public string Generation => Snapshot.Generation;

    /// <summary>Compressed bytes to read.</summary>
    public long Size => Snapshot.Size + Segments.Sum(segment => segment.Size);
}
