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

    private readonly List<(byte[] Bytes, int Length)> chunks = [];
    private byte[] current = [];
    private int used;
    private long totalSize;

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
    internal IEnumerable<PageIndexEntry> Entries()
    {
        uint page = 0;
        long offset = firstFrame;
        for (int i = 0; i <= chunks.Count; i++)
        {
            (byte[] bytes, int length) = i < chunks.Count ? chunks[i] : (current, used);
            for (int at = 0; at < length;)
            {
                ulong size = Varint.Read(bytes, ref at);
                page += 1 + ((size & 1) == 0 ? 0 : (uint)Varint.Read(bytes, ref at));
                yield return new PageIndexEntry(page, offset, (long)(size >> 1));
                offset += (long)(size >> 1);
            }
        }
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
}
