namespace Litestream.Storage.Azure;

/// <summary>Read access to v0.3 backups in the same container (backends §1.7, decision D32).</summary>
public sealed partial class AzureReplicaClient : IGenerationSource
{
    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<GenerationFile>> ListGenerationFilesAsync(CancellationToken cancellationToken)
    {
        List<GenerationFile> found = [];
        string prefix = _keys.Root + "generations/";
        await foreach (BlobPage page in ListPagesAsync(prefix, cancellationToken).ConfigureAwait(false))
        {
            found.AddRange(page.Blobs.Where(blob => !blob.IsFolder).Select(blob => Parse(blob, prefix.Length)).OfType<GenerationFile>());
        }

        found.Sort(static (a, b) =>
            (string.CompareOrdinal(a.Generation, b.Generation), a.IsSnapshot != b.IsSnapshot, a.Index.CompareTo(b.Index)) switch
            {
                (not 0 and int byGeneration, _, _) => byGeneration,
                (_, true, _) => a.IsSnapshot ? -1 : 1,
                (_, _, not 0 and int byIndex) => byIndex,
                _ => a.Offset.CompareTo(b.Offset),
            });
        return found;
    }

    /// <inheritdoc/>
    public ValueTask<Stream> OpenGenerationFileAsync(GenerationFile file, long offset, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        string key = $"{_keys.Root}generations/{file.Generation}/{(file.IsSnapshot ? "snapshots" : "wal")}/{file.Name}";
        return OpenBlobAsync(
            key, offset, 0, () => new ReplicaException($"open v0.3 file {Location(key)}: it does not exist", isTransient: false), cancellationToken);
    }

    private static GenerationFile? Parse(BlobEntry blob, int prefixLength)
    {
        string[] segments = blob.Name[prefixLength..].Split('/');
        if (segments.Length != 3 || !GenerationFileName.IsGeneration(segments[0]))
        {
            return null;
        }

        int index = 0;
        long offset = -1;
        bool matches = segments[1] switch
        {
            "snapshots" => GenerationFileName.TryParseSnapshot(segments[2], out index),
            "wal" => GenerationFileName.TryParseSegment(segments[2], out index, out offset),
            _ => false,
        };
        return matches ? new GenerationFile(segments[0], index, offset, blob.Size, blob.ModifiedAt) : null;
    }
}
