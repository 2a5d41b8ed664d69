namespace Litestream.Storage;

/// <summary>A file of a v0.3 replica (backends §1.7, store-and-restore §13.1).</summary>
/// <param name="Generation">16 lower-case hex digits.</param>
/// <param name="Index">Number of the WAL file since the generation began, 0 to 0x7fffffff.</param>
/// <param name="Offset">For a WAL segment: offset of its uncompressed data in that WAL file; -1 for a snapshot.</param>
/// <param name="Size">Compressed bytes.</param>
/// <param name="CreatedAt">When it was stored: all that is known about its time.</param>
public readonly record struct GenerationFile(string Generation, int Index, long Offset, long Size, DateTimeOffset CreatedAt)
{
    /// <summary>True for a snapshot, false for a WAL segment.</summary>
    public bool IsSnapshot => Offset < 0;

    /// <summary>Name without directory: <c>00000001.snapshot.lz4</c>, <c>00000001_00000438.wal.lz4</c>.</summary>
    public string Name => IsSnapshot ? $"{Index:x8}.snapshot.lz4" : $"{Index:x8}_{Offset:x8}.wal.lz4";
}

/// <summary>Read access to the backups that v0.3 left in the same place; only some replica clients have it (decision D32).</summary>
public interface IGenerationSource
{
    /// <summary>
    /// All snapshots and WAL segments of all generations, by generation, kind, index and offset. Names that do not match are
    /// skipped; nothing there is an empty list.
    /// </summary>
    ValueTask<IReadOnlyList<GenerationFile>> ListGenerationFilesAsync(CancellationToken cancellationToken);

    /// <summary>Opens the compressed bytes of a file (one LZ4 frame) from an offset to the end.</summary>
    /// <exception cref="ReplicaException">It is missing or cannot be read.</exception>
    ValueTask<Stream> OpenGenerationFileAsync(GenerationFile file, long offset, CancellationToken cancellationToken);
}
