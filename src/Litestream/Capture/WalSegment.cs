using System.Buffers;
using Litestream.Ltx;

namespace Litestream.Capture;

/// <summary>
/// The committed frames of one stretch of the WAL, reduced to the newest image of each page: page numbers ascending, each with the
/// frame that holds it. Eight bytes a frame, no dictionary.
/// </summary>
internal sealed class WalSegment : IDisposable
{
    private ulong[] entries = [];
    private int count;
    private int committed;

    /// <summary>Where the stretch begins: the cursor that was captured before.</summary>
    public WalCursor Start { get; private set; }

    /// <summary>Where it ends: always a commit frame.</summary>
    public WalCursor End { get; private set; }

    /// <summary>Number of distinct pages after <see cref="Seal"/>.</summary>
    public int PageCount { get; private set; }

    /// <summary>Forgets everything and begins at a cursor.</summary>
    public void Reset(in WalCursor start)
    {
        Start = End = start;
        count = committed = PageCount = 0;
    }

    /// <summary>Adds a frame in WAL order.</summary>
    public void Add(uint pageNumber, uint frame)
    {
        if (count == entries.Length)
        {
            ulong[] larger = ArrayPool<ulong>.Shared.Rent(Math.Max(64, entries.Length * 2));
            entries.AsSpan(0, count).CopyTo(larger);
            Return();
            entries = larger;
        }

        entries[count++] = ((ulong)pageNumber << 32) | frame;
    }

    /// <summary>The frame added last ended a transaction: everything so far counts.</summary>
    public void Commit(in WalCursor cursor)
    {
        End = cursor;
        committed = count;
    }

    /// <summary>
    /// Sorts and keeps the newest frame of each page. Pages beyond the final size are dropped: the encoder would reject them, and a
    /// restore would bring dead pages back (replication §5, trap A6). The lock page never carries data.
    /// </summary>
    public void Seal(int pageSize)
    {
        Span<ulong> all = entries.AsSpan(0, committed);
        all.Sort();
        uint lockPage = LtxFormat.LockPage(pageSize);
        int kept = 0;
        for (int i = 0; i < all.Length; i++)
        {
            uint pageNumber = (uint)(all[i] >> 32);
            bool newest = i + 1 == all.Length || (uint)(all[i + 1] >> 32) != pageNumber;
            if (newest && pageNumber <= End.Commit && pageNumber != lockPage)
            {
                all[kept++] = all[i];
            }
        }

        PageCount = kept;
    }

    /// <summary>Page and frame at a position, pages ascending; valid after <see cref="Seal"/>.</summary>
    public (uint PageNumber, uint Frame) this[int index] => ((uint)(entries[index] >> 32), (uint)entries[index]);

    /// <summary>
    /// True if every page in (previous size, new size] has an image. SQLite always writes them; a hole is evidence of missed frames
    /// (replication §5, §7.4), and an increment with a hole would fail only at restore.
    /// </summary>
    public bool CoversGrowth(uint previousCommit, int pageSize)
    {
        if (End.Commit <= previousCommit)
        {
            return true;
        }

        uint lockPage = LtxFormat.LockPage(pageSize);
        long expected = (long)End.Commit - previousCommit;
        if (lockPage > previousCommit && lockPage <= End.Commit)
        {
            expected--;
        }

        long found = 0;
        for (int i = PageCount - 1; i >= 0 && this[i].PageNumber > previousCommit; i--)
        {
            found++;
        }

        return found == expected;
    }

    /// <summary>Forgets everything and gives the memory back.</summary>
    public void Trim()
    {
        Reset(End);
        Return();
        entries = [];
    }

    /// <inheritdoc/>
    public void Dispose() => Trim();

    private void Return()
    {
        if (entries.Length > 0)
        {
            ArrayPool<ulong>.Shared.Return(entries);
        }
    }
}
