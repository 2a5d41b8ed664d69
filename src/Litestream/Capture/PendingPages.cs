using System.Buffers;
using Litestream.Ltx;

namespace Litestream.Capture;

/// <summary>
/// Pages captured since the last level-0 file: the newest image of each, compressed, with the checksum its file will need. They
/// stay in memory until the sync interval is over, so that an interval becomes one file however often the WAL had to be captured
/// in it. If the process dies meanwhile, nothing is lost but continuity: what they came from is in the database, and the next
/// start takes a full copy if the WAL has been restarted since (replication §8.7 rule 2).
/// </summary>
internal sealed class PendingPages : IDisposable
{
    private const int ChunkBytes = 1 << 20;

    private readonly Dictionary<uint, Block> blocks = [];
    private readonly List<byte[]> chunks = [];
    private int used;
    private uint[] order = [];

    /// <summary>Number of pages.</summary>
    public int Count => blocks.Count;

    /// <summary>Bytes held, superseded images included: they are given back with the rest.</summary>
    public long Bytes => chunks.Count == 0 ? 0 : ((chunks.Count - 1) * (long)ChunkBytes) + used;

    /// <summary>Compresses a page; an older image of it is forgotten.</summary>
    public void Add(uint pageNumber, ReadOnlySpan<byte> page)
    {
        int bound = LtxFormat.MaxBlockSize(page.Length);
        if (chunks.Count == 0 || used + bound > ChunkBytes)
        {
            chunks.Add(ArrayPool<byte>.Shared.Rent(ChunkBytes));
            used = 0;
        }

        int size = LtxBlock.Compress(page, chunks[^1].AsSpan(used));
        blocks[pageNumber] = new Block(chunks.Count - 1, used, size, Crc64.Append(0, page));
        used += size;
    }

    /// <summary>Page numbers ascending; valid until the next change.</summary>
    public ReadOnlySpan<uint> Sorted()
    {
        if (order.Length < blocks.Count)
        {
            order = new uint[Math.Max(256, blocks.Count * 2)];
        }

        blocks.Keys.CopyTo(order, 0);
        Span<uint> sorted = order.AsSpan(0, blocks.Count);
        sorted.Sort();
        return sorted;
    }

    /// <summary>Appends the image of a page to a file.</summary>
    public void WriteTo(LtxWriter writer, uint pageNumber)
    {
        Block block = blocks[pageNumber];
        writer.WriteBlock(pageNumber, chunks[block.Chunk].AsSpan(block.Offset, block.Size), block.Crc);
    }

    /// <summary>Forgets everything and gives the memory back.</summary>
    public void Clear()
    {
        blocks.Clear();
        foreach (byte[] chunk in chunks)
        {
            ArrayPool<byte>.Shared.Return(chunk);
        }

        chunks.Clear();
        used = 0;
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();

    /// <summary>Where a compressed image is, and the CRC of the page.</summary>
    private readonly record struct Block(int Chunk, int Offset, int Size, ulong Crc);
}
