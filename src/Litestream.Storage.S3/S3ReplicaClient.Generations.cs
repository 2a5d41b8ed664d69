using System.Collections.Concurrent;
using Litestream.Storage.Transport;

namespace Litestream.Storage.S3;

/// <summary>Read access to v0.3 backups in the same place (backends §1.7). Their paths are cleaned, unlike those of LTX files.</summary>
public sealed partial class S3ReplicaClient : IGenerationSource
{
    private readonly ConcurrentDictionary<(string Generation, int Index, long Offset), string> _oddNames = new();

    /// <inheritdoc/>
    /// <remarks>With <see cref="S3Options.AsOf"/> none are reported: decision D38 is about LTX files.</remarks>
    public async ValueTask<IReadOnlyList<GenerationFile>> ListGenerationFilesAsync(CancellationToken cancellationToken)
    {
        List<GenerationFile> found = [];
        if (_options.AsOf is not null)
        {
            return found;
        }

        S3Bucket bucket = await GetBucketAsync(cancellationToken).ConfigureAwait(false);
        List<string> generations = [];
        string root = GenerationsPrefix();
        await foreach (ObjectListing page in bucket.ListAsync(root, "/", startAfter: null, cancellationToken).ConfigureAwait(false))
        {
            generations.AddRange(page.CommonPrefixes
                .Where(prefix => prefix.StartsWith(root, StringComparison.Ordinal)).Select(prefix => prefix[root.Length..].TrimEnd('/'))
                .Where(name => GenerationFileName.IsGeneration(name)));
        }

        foreach (string generation in generations.Distinct().Order(StringComparer.Ordinal))
        {
            found.AddRange(await ListKindAsync(bucket, generation, isSnapshot: true, cancellationToken).ConfigureAwait(false));
            found.AddRange(await ListKindAsync(bucket, generation, isSnapshot: false, cancellationToken).ConfigureAwait(false));
        }

        return found;
    }

    /// <inheritdoc/>
    public async ValueTask<Stream> OpenGenerationFileAsync(GenerationFile file, long offset, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        S3Bucket bucket = await GetBucketAsync(cancellationToken).ConfigureAwait(false);
        string name = _oddNames.GetValueOrDefault((file.Generation, file.Index, file.Offset), file.Name);
        return await bucket.OpenAsync(KindPrefix(file.Generation, file.IsSnapshot) + name, version: null, offset, size: 0, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<IReadOnlyList<GenerationFile>> ListKindAsync(
        S3Bucket bucket, string generation, string prefix, bool isSnapshot, CancellationToken cancellationToken)
    {
        List<GenerationFile> files = [];
        await foreach (ObjectListing page in bucket.ListAsync(prefix, delimiter: null, startAfter: null, cancellationToken).ConfigureAwait(false))
        {
            foreach (ListedObject stored in page.Objects)
            {
                // Only names directly there: a key is made from the name when the file is opened.
                if (!stored.Key.StartsWith(prefix, StringComparison.Ordinal))
                {
                    continue;
                }

                string name = stored.Key[prefix.Length..];
                long offset = -1;
                bool matches = isSnapshot
                    ? GenerationFileName.TryParseSnapshot(name, out int index)
                    : GenerationFileName.TryParseSegment(name, out index, out offset);
                if (!matches)
                {
                    continue;
                }

                var file = new GenerationFile(generation, index, offset, stored.Size, stored.LastModified);
                files.Add(file);

                // Offsets have 8 to 16 digits: a name with more zeros than needed is not what the file would be called today (trap T31).
                if (file.Name != name)
                {
                    _oddNames[(generation, index, offset)] = name;
                }
            }
        }

        files.Sort(static (a, b) => a.Index != b.Index ? a.Index.CompareTo(b.Index) : a.Offset.CompareTo(b.Offset));
        return files;
    }

    private ValueTask<IReadOnlyList<GenerationFile>> ListKindAsync(S3Bucket bucket, string generation, bool isSnapshot, CancellationToken cancellationToken) =>
        ListKindAsync(bucket, generation, KindPrefix(generation, isSnapshot), isSnapshot, cancellationToken);

    private string KindPrefix(string generation, bool isSnapshot) => $"{GenerationsPrefix()}{generation}/{(isSnapshot ? "snapshots" : "wal")}/";

    private string GenerationsPrefix() => ReplicaKeys.LtxDirectory(_options.Path).Root + "generations/";
}
