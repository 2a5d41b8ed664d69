namespace Litestream.Storage.S3;

/// <summary>
/// Picks, from versions that come key by key, the one of each key that was current at a time (decision D38). The versions of a key may
/// continue on the next page, so a key is decided when the next one begins.
/// </summary>
/// <param name="time">Inclusive, by the store's clock.</param>
internal sealed class VersionChooser(DateTimeOffset time)
{
    private ListedVersion? _best;
    private string? _key;

    /// <summary>Takes the next versions; returns those of keys that are decided.</summary>
    public List<ListedVersion> Add(IEnumerable<ListedVersion> versions)
    {
        List<ListedVersion> decided = [];
        foreach (ListedVersion version in versions)
        {
            if (version.Key != _key)
            {
                decided.AddRange(Finish());
                _key = version.Key;
            }

            // The store lists newest first; of equal times the first one is the later.
            if (version.LastModified <= time && (_best is null || version.LastModified > _best.Value.LastModified))
            {
                _best = version;
            }
        }

        return decided;
    }

    /// <summary>The version of the last key, if it was there.</summary>
    public List<ListedVersion> Finish()
    {
        List<ListedVersion> last = _best is { IsDeleteMarker: false } best ? [best] : [];
        (_best, _key) = (null, null);
        return last;
    }
}
