using Litestream.Storage;

namespace Litestream.Restore.Generations;

/// <summary>Which points v0.3 generations hold, as far as the names of their files tell (store-and-restore §13.2).</summary>
internal static class GenerationPoints
{
    /// <summary>One range for each generation that has a snapshot, by time.</summary>
    internal static IReadOnlyList<GenerationRange> Of(IReadOnlyList<GenerationFile> files) =>
    [
        .. files.GroupBy(file => file.Generation)
            .Where(generation => generation.Any(file => file.IsSnapshot))
            .Select(generation => Of(generation.Key, [.. generation]))
            .OrderBy(range => range.From),
    ];

    private static GenerationRange Of(string name, List<GenerationFile> files)
    {
        HashSet<int> begun = [.. files.Where(file => file.Offset == 0).Select(file => file.Index)];
        List<GenerationFile> snapshots = [.. files.Where(file => file.IsSnapshot).OrderBy(file => file.CreatedAt).ThenBy(file => file.Index)];
        List<GenerationFile> usable = [.. files.Where(file => file.IsSnapshot || IsReachable(file, snapshots, begun))];
        return new GenerationRange(
            name, snapshots[0].CreatedAt, usable.Max(file => file.CreatedAt), usable.Count, files.Count - usable.Count);
    }

    /// <summary>Whether every WAL file from the snapshot that a restore to this segment's time starts with has its beginning.</summary>
    private static bool IsReachable(GenerationFile segment, List<GenerationFile> snapshots, HashSet<int> begun)
    {
        int start = snapshots.FindLastIndex(snapshot => snapshot.CreatedAt <= segment.CreatedAt);
        if (start < 0 || snapshots[start].Index > segment.Index)
        {
            return false;
        }

        for (int index = snapshots[start].Index; index <= segment.Index; index++)
        {
            if (!begun.Contains(index))
            {
                return false;
            }
        }

        return true;
    }
}
