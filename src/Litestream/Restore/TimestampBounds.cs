using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>Whether an asked time lies within what the replica holds; both ends belong to it (store-and-restore §8).</summary>
internal static class TimestampBounds
{
    /// <exception cref="RestoreUnavailableException">Before the first or after the last file, or no file at all.</exception>
    internal static void Check(RestoreOptions options, ReplicaListing listing, IReadOnlyList<GenerationFile> generations)
    {
        if (!options.CheckTimestampBounds || options.Timestamp is not { } time)
        {
            return;
        }

        List<DateTimeOffset> times = [.. listing.All.Select(file => file.CreatedAt), .. generations.Select(file => file.CreatedAt)];
        if (times.Count == 0)
        {
            throw new RestoreUnavailableException(RestoreUnavailableReason.NoBackupsFound);
        }

        if (time < times.Min() || time > times.Max())
        {
            throw new RestoreUnavailableException(
                RestoreUnavailableReason.TimestampOutOfRange, $"the backups are from {times.Min():O} to {times.Max():O}");
        }
    }
}
