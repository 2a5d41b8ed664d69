using System.Buffers;

namespace Litestream.Ltx;

/// <summary>
/// The page index in small: frames lie one after the other and page numbers mostly follow each other, so a frame is remembered
/// by its size and, after a gap, the gap: about two bytes a page instead of the ten of the file's list.
/// </summary>
internal sealed class FrameList(long firstFrame) : IDisposable
{
    private const int ChunkSize = 32 * 1024;
    private const int MaxEntrySize = 2 * Varint.MaxSize;

    // A page is found by its nearest checkpoint and at most this many steps.
    private const int CheckpointDistance = 64;

    private readonly List<(byte[] Bytes, int Length)> chunks = [];
    private readonly List<Checkpoint> checkpoints = [];
    private byte[] current = [];
    private int used;
    private long totalSize;
    private volatile bool checkpointsMade;

    /// <summary>Number of frames.</summary>
    internal long Count { get; private set; }

    /// <summary>Page of the last frame; 0 when there is none.</summary>
    internal uint LastPage { get; private set; }

    /// <summary>File offset after the last frame.</summary>
    internal long End => firstFrame + totalSize;

    /// <summary>Adds the next frame; page numbers ascend.</summary>
    internal void Add(uint pageNumber, int frameSize)
    {
        if (current.Length - used < MaxEntrySize)
        {
            NextChunk();
        }

        uint gap = pageNumber - LastPage - 1;
        used += Varint.Write(current.AsSpan(used), ((ulong)frameSize << 1) | (gap == 0 ? 0u : 1u));
        if (gap != 0)
        {
            used += Varint.Write(current.AsSpan(used), gap);
        }

        LastPage = pageNumber;
        totalSize += frameSize;
        Count++;
    }

    /// <summary>All frames in file order.</summary>
    internal IEnumerable<PageIndexEntry> Entries() => EntriesFrom(new Checkpoint(0, firstFrame, 0, 0));

    /// <summary>Finds the frame of a page. All frames must have been added.</summary>
    internal bool TryFind(uint pageNumber, out PageIndexEntry entry)
    {
        if (!checkpointsMade)
        {
            lock (checkpoints)
            {
                EnsureCheckpoints();
            }
        }

        int low = 0;
        int high = checkpoints.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = checkpoints[middle].PreviousPage < pageNumber ? (middle + 1, high) : (low, middle);
        }

        if (low > 0)
        {
            foreach (PageIndexEntry candidate in EntriesFrom(checkpoints[low - 1]))
            {
                if (candidate.PageNumber >= pageNumber)
                {
                    entry = candidate;
                    return candidate.PageNumber == pageNumber;
                }
            }
        }

        entry = default;
        return false;
    }

    /// <summary>Returns the memory.</summary>
    public void Dispose()
    {
        foreach ((byte[] bytes, _) in chunks)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }

        chunks.Clear();
        if (current.Length != 0)
        {
            ArrayPool<byte>.Shared.Return(current);
        }

        current = [];
        used = 0;
    }

    /// <summary>Made when first asked for: who only writes or restores never looks a page up.</summary>
    private void EnsureCheckpoints()
    {
        if (checkpointsMade)
        {
            return;
        }

        uint page = 0;
        long offset = firstFrame;
        long number = 0;
        for (int i = 0; i <= chunks.Count; i++)
        {
            (byte[] bytes, int length) = i < chunks.Count ? chunks[i] : (current, used);
            for (int at = 0; at < length; number++)
            {
                if (number % CheckpointDistance == 0)
                {
                    checkpoints.Add(new Checkpoint(page, offset, i, at));
                }

                ReadEntry(bytes, ref at, ref page, ref offset);
            }
        }

        checkpointsMade = true;
    }

    /// <summary>Steps over one entry: page is then its page, offset the end of its frame.</summary>
    /// <returns>Size of its frame.</returns>
    private static long ReadEntry(byte[] bytes, ref int at, ref uint page, ref long offset)
    {
        ulong size = Varint.Read(bytes, ref at);
        page += 1 + ((size & 1) == 0 ? 0 : (uint)Varint.Read(bytes, ref at));
        offset += (long)(size >> 1);
        return (long)(size >> 1);
    }

    private IEnumerable<PageIndexEntry> EntriesFrom(Checkpoint from)
    {
        uint page = from.PreviousPage;
        long offset = from.Offset;
        int at = from.Position;
        for (int i = from.Chunk; i <= chunks.Count; i++, at = 0)
        {
            (byte[] bytes, int length) = i < chunks.Count ? chunks[i] : (current, used);
            while (at < length)
            {
                long size = ReadEntry(bytes, ref at, ref page, ref offset);
                yield return new PageIndexEntry(page, offset - size, size);
            }
        }
    }

    private void NextChunk()
    {
        if (current.Length != 0)
        {
            chunks.Add((current, used));
        }

        // Most files hold a few pages: start small.
        current = ArrayPool<byte>.Shared.Rent(current.Length == 0 ? 256 : ChunkSize);
        used = 0;
    }

    private readonly record struct Checkpoint(uint PreviousPage, long Offset, int Chunk, int Position);
}
