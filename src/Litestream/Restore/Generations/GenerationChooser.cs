using Litestream.Storage;

namespace Litestream.Restore.Generations;

/// <summary>Whether a v0.3 backup is restored instead of LTX files, and which (store-and-restore §9.1, §13.2).</summary>
internal static class GenerationChooser
{
    /// <summary>The choice of the table in §9.1.</summary>
    internal static bool Prefers(ReplicaListing listing, IReadOnlyList<GenerationFile> generations, DateTimeOffset? time)
    {
        if (generations.Count == 0)
        {
            return false;
        }

        if (listing.Latest is not { } latestLtx)
        {
            return true;
        }

        if (time is not { } asked)
        {
            return generations.Max(file => file.CreatedAt) > latestLtx;
        }

        // Only level 9 is looked at: a base that exists as a file of a lower level alone does not count here.
        DateTimeOffset? ours = Newest(listing[LtxFileInfo.SnapshotLevel].Where(file => file.CreatedAt < asked).Select(file => file.CreatedAt));
        DateTimeOffset? theirs = Newest(generations.Where(file => file.IsSnapshot && file.CreatedAt <= asked).Select(file => file.CreatedAt));
        return theirs is { } snapshot && (ours is not { } own || own < snapshot);
    }

    /// <summary>The snapshot to start from and the segments to apply.</summary>
    /// <exception cref="RestoreUnavailableException">No snapshot at or before the time.</exception>
    internal static GenerationPlan Plan(IReadOnlyList<GenerationFile> files, DateTimeOffset? time)
    {
        List<GenerationFile> usable = [.. files.Where(file => time is not { } limit || file.CreatedAt <= limit)];
        List<GenerationFile> snapshots = [.. usable.Where(file => file.IsSnapshot)];
        if (snapshots.Count == 0)
        {
            throw new RestoreUnavailableException(RestoreUnavailableReason.NoSnapshots);
        }

        if (time is null)
        {
            // A generation with an older snapshot but newer WAL is the one that was written to last.
            HashSet<string> restorable = [.. snapshots.Select(file => file.Generation)];
            string newest = usable.Where(file => restorable.Contains(file.Generation)).MaxBy(file => file.CreatedAt).Generation;
            snapshots.RemoveAll(file => file.Generation != newest);
        }

        // Equal times (stores with whole seconds): the greater index has more.
        GenerationFile start = snapshots.OrderBy(file => file.CreatedAt).ThenBy(file => file.Index).Last();
        return new GenerationPlan(start, [.. usable.Where(file =>
            !file.IsSnapshot && file.Generation == start.Generation && file.Index >= start.Index)]);
    }

    private static DateTimeOffset? Newest(IEnumerable<DateTimeOffset> times) => times.Select(time => (DateTimeOffset?)time).Max();
}
