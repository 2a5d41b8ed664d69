using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Levels;

/// <summary>
/// The files of one database's replica that this process knows, each level by (MinTXID, MaxTXID): filled by the listing of the start
/// and kept by our own writes and deletes, so that nobody has to list again. Thread-safe; costs 48 bytes a file.
/// </summary>
/// <remarks>
/// A level that was handed out never changes: appending writes behind the end that its holders know, taking files from the front only
/// moves the begin, and everything else makes a copy.
/// </remarks>
internal sealed class ReplicaCatalog
{
    private static readonly Comparison<LtxFileInfo> ByRange =
        static (a, b) => a.MinTxid != b.MinTxid ? a.MinTxid.CompareTo(b.MinTxid) : a.MaxTxid.CompareTo(b.MaxTxid);

    private readonly Lock gate = new();
    private readonly ArraySegment<LtxFileInfo>[] levels = new ArraySegment<LtxFileInfo>[LtxFileInfo.LevelCount];

    /// <summary>Creates an empty catalogue.</summary>
    public ReplicaCatalog() => Array.Fill(levels, ArraySegment<LtxFileInfo>.Empty);

    /// <summary>The files of one level as they are now; later changes do not show in it.</summary>
    /// <param name="level">0 to 9.</param>
    public IReadOnlyList<LtxFileInfo> this[int level]
    {
        get
        {
            lock (gate)
            {
                return levels[level];
            }
        }
    }

    /// <summary>The file of a level that reaches furthest, or null.</summary>
    /// <param name="level">0 to 9.</param>
    public LtxFileInfo? Newest(int level) => LevelFiles.Newest(this[level]);

    /// <summary>All levels as they are now.</summary>
    public ReplicaListing ToListing()
    {
        lock (gate)
        {
            return new ReplicaListing([.. levels.Select(static files => (IReadOnlyList<LtxFileInfo>)files)]);
        }
    }

    /// <summary>Adds a file that was written; one of the same name is replaced.</summary>
    public void Add(in LtxFileInfo file)
    {
        lock (gate)
        {
            ArraySegment<LtxFileInfo> files = levels[file.Level];
            if (files.Count == 0 || ByRange(files[^1], file) < 0)
            {
                Append(file);
                return;
            }

            LtxFileInfo added = file;
            List<LtxFileInfo> changed = [.. files];
            int at = changed.FindIndex(other => ByRange(other, added) >= 0);
            if (ByRange(changed[at], added) == 0)
            {
                changed[at] = added;
            }
            else
            {
                changed.Insert(at, added);
            }

            levels[file.Level] = changed.ToArray();
        }
    }

    /// <summary>Removes files that were deleted, whatever their size and time; unknown ones are ignored.</summary>
    public void Remove(IReadOnlyCollection<LtxFileInfo> files)
    {
        lock (gate)
        {
            foreach (IGrouping<int, LtxFileInfo> group in files.GroupBy(static file => file.Level))
            {
                RemoveFrom(group.Key, [.. group.Select(static file => RangeOf(file))]);
            }
        }
    }

    /// <summary>Puts what a listing found in the place of one level; files added while it ran stay.</summary>
    /// <param name="level">0 to 9.</param>
    /// <param name="files">Its files in any order.</param>
    /// <param name="before">The level as it was when the listing began; null for empty.</param>
    public void Replace(int level, IEnumerable<LtxFileInfo> files, IReadOnlyList<LtxFileInfo>? before = null)
    {
        Dictionary<TxidRange, LtxFileInfo> known = [];
        foreach (LtxFileInfo file in files)
        {
            known[RangeOf(file)] = file;
        }

        lock (gate)
        {
            HashSet<LtxFileInfo> old = [.. before ?? []];
            foreach (LtxFileInfo file in levels[level])
            {
                if (!old.Contains(file))
                {
                    known[RangeOf(file)] = file;
                }
            }

            LtxFileInfo[] sorted = [.. known.Values];
            Array.Sort(sorted, ByRange);
            levels[level] = sorted;
        }
    }

    private static TxidRange RangeOf(in LtxFileInfo file) => new(file.MinTxid, file.MaxTxid);

    private void Append(in LtxFileInfo file)
    {
        ArraySegment<LtxFileInfo> files = levels[file.Level];
        LtxFileInfo[] array = files.Array!;
        int end = files.Offset + files.Count;
        if (end == array.Length)
        {
            array = new LtxFileInfo[Math.Max(4, files.Count * 2)];
            files.CopyTo(array);
            files = new ArraySegment<LtxFileInfo>(array, 0, files.Count);
            end = files.Count;
        }

        array[end] = file;
        levels[file.Level] = new ArraySegment<LtxFileInfo>(array, files.Offset, files.Count + 1);
    }

    private void RemoveFrom(int level, HashSet<TxidRange> ranges)
    {
        ArraySegment<LtxFileInfo> files = levels[level];
        int front = 0;
        while (front < files.Count && ranges.Contains(RangeOf(files[front])))
        {
            front++;
        }

        ArraySegment<LtxFileInfo> rest = files[front..];
        levels[level] = front == ranges.Count
            ? rest
            : rest.Where(file => !ranges.Contains(RangeOf(file))).ToArray();
    }
}
