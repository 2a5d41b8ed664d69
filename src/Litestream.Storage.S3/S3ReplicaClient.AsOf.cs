using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace Litestream.Storage.S3;

/// <summary>Reading a versioned bucket as it was at an earlier time (decision D38).</summary>
public sealed partial class S3ReplicaClient
{
    // Filled by listings: a plan lists first and opens afterwards, and must not ask again for each file.
    private readonly ConcurrentDictionary<string, string?> _versions = new(StringComparer.Ordinal);
    private bool _isVersioned;

    /// <summary>The files that were there at a time: per key the newest version up to it, none if that is a delete marker.</summary>
    private async IAsyncEnumerable<IReadOnlyList<StoredFile>> ListVersionPagesAsync(
        S3Bucket bucket, int level, string prefix, string? start, DateTimeOffset time, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await RequireVersionedAsync(bucket, cancellationToken).ConfigureAwait(false);
        var chooser = new VersionChooser(time);
        await foreach (VersionListing page in bucket.ListVersionsAsync(prefix, start, cancellationToken).ConfigureAwait(false))
        {
            yield return Choose(chooser.Add(page.Versions));
        }

        yield return Choose(chooser.Finish());

        IReadOnlyList<StoredFile> Choose(IEnumerable<ListedVersion> chosen)
        {
            List<StoredFile> files = [];
            foreach (ListedVersion version in chosen)
            {
                if (StoredFile.Of(level, prefix, version.Key, version.Size, version.LastModified, version.Id) is { } file)
                {
                    _versions[file.Key] = file.Version;
                    files.Add(file);
                }
            }

            return files;
        }
    }

    /// <summary>The version of one key at a time; null if there was none.</summary>
    private async ValueTask<string?> FindVersionAsync(S3Bucket bucket, string key, DateTimeOffset time, CancellationToken cancellationToken)
    {
        if (_versions.TryGetValue(key, out string? known))
        {
            return known;
        }

        await RequireVersionedAsync(bucket, cancellationToken).ConfigureAwait(false);
        var chooser = new VersionChooser(time);
        List<ListedVersion> chosen = [];
        await foreach (VersionListing page in bucket.ListVersionsAsync(key, keyMarker: null, cancellationToken).ConfigureAwait(false))
        {
            chosen.AddRange(chooser.Add(page.Versions.Where(version => version.Key == key)));
        }

        chosen.AddRange(chooser.Finish());
        return chosen.Count > 0 ? chosen[0].Id : null;
    }

    private async ValueTask RequireVersionedAsync(S3Bucket bucket, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _isVersioned))
        {
            return;
        }

        // Suspended versioning keeps what was there before.
        string status = await bucket.GetVersioningAsync(cancellationToken).ConfigureAwait(false);
        if (status is not ("Enabled" or "Suspended"))
        {
            throw new ReplicaException(
                $"s3: bucket {bucket.Settings.Bucket} keeps no versions: it cannot be read as of an earlier time; versioning must have been on at that time",
                isTransient: false);
        }

        Volatile.Write(ref _isVersioned, true);
    }
}
