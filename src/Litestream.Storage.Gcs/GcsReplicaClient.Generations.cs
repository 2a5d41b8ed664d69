using Litestream.Storage.Transport;

namespace Litestream.Storage.Gcs;

/// <summary>Read access to v0.3 backups in the same path (decision D32).</summary>
public sealed partial class GcsReplicaClient : IGenerationSource
{
    private string GenerationsRoot => _keys.Root + "generations/";

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<GenerationFile>> ListGenerationFilesAsync(CancellationToken cancellationToken)
    {
        List<GenerationFile> found = [];
        await foreach (GcsObject one in ListObjectsAsync(GenerationsRoot, null, cancellationToken).ConfigureAwait(false))
        {
            string[] segments = one.Name![GenerationsRoot.Length..].Split('/');
            if (segments.Length != 3 || !GenerationFileName.IsGeneration(segments[0]))
            {
                continue;
            }

            long offset = -1;
            bool matches = segments[1] switch
            {
                "snapshots" => GenerationFileName.TryParseSnapshot(segments[2], out int _),
                "wal" => GenerationFileName.TryParseSegment(segments[2], out _, out offset),
                _ => false,
            };
            if (matches)
            {
                // Both kinds of names begin with the index.
                int index = Convert.ToInt32(segments[2][..8], 16);
                found.Add(new GenerationFile(segments[0], index, offset, one.Size ?? 0, one.TimeCreated ?? DateTimeOffset.UnixEpoch));
            }
        }

        return
        [
            .. found.OrderBy(file => file.Generation, StringComparer.Ordinal).ThenBy(file => !file.IsSnapshot).ThenBy(file => file.Index).ThenBy(file => file.Offset),
        ];
    }

    /// <inheritdoc/>
    public ValueTask<Stream> OpenGenerationFileAsync(GenerationFile file, long offset, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        string key = $"{GenerationsRoot}{file.Generation}/{(file.IsSnapshot ? "snapshots" : "wal")}/{file.Name}";
        return OpenObjectAsync(
            key, offset, 0, () => new ReplicaException($"open v0.3 file {Api().Location(key)}: file does not exist", isTransient: false), cancellationToken);
    }
}
