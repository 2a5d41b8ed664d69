using System.Buffers;
using Litestream.Ltx;

namespace Litestream.Capture;

/// <summary>
/// Pages captured since the last level-0 file: the newest image of each, as it is. They stay in memory until the sync interval is
/// over, so that an interval becomes one file, and a page that changes a thousand times in it is compressed once. If the process
/// dies meanwhile, nothing is lost but continuity: what they came from is in the database, and the next start takes a full copy if
/// the WAL has been restarted since (replication §8.7 rule 2).
/// </summary>
internal sealed class PendingPages : IDisposable
{
    private const int ChunkBytes = 256 << 10;

    private readonly Dictionary<uint, int> slots = [];
    private readonly List<byte[]> chunks = [];
    private uint[] order = [];
    private int pageSize;

    /// <summary>Number of pages.</summary>
    public int Count => slots.Count;

    /// <summary>Bytes of page images held.</summary>
    public long Bytes => (long)slots.Count * pageSize;

    /// <summary>Keeps an image; an older one of the page is overwritten.</summary>
    public void Add(uint pageNumber, ReadOnlySpan<byte> page)
    {
        pageSize = page.Length;
        if (!slots.TryGetValue(pageNumber, out int slot))
        {
            slot = slots.Count;
            slots.Add(pageNumber, slot);
            if (slot / SlotsPerChunk == chunks.Count)
            {
                chunks.Add(ArrayPool<byte>.Shared.Rent(ChunkBytes));
            }
        }

        page.CopyTo(Slot(slot));
    }

    /// <summary>Page numbers ascending; valid until the next change.</summary>
    public ReadOnlySpan<uint> Sorted()
    {
        if (order.Length < slots.Count)
        {
            order = new uint[Math.Max(256, slots.Count * 2)];
        }

        slots.Keys.CopyTo(order, 0);
        Span<uint> sorted = order.AsSpan(0, slots.Count);
        sorted.Sort();
        return sorted;
    }

    /// <summary>Appends the image of a page to a file.</summary>
    public void WriteTo(LtxWriter writer, uint pageNumber) => writer.WritePage(pageNumber, Slot(slots[pageNumber]));

    /// <summary>Forgets everything and gives the memory back.</summary>
    public void Clear()
    {
        slots.Clear();
        foreach (byte[] chunk in chunks)
        {
            ArrayPool<byte>.Shared.Return(chunk);
        }

        chunks.Clear();
    }

    /// <summary>Gives back the working arrays, too, which a busy database keeps. Only while nothing waits.</summary>
    public void Trim()
    {
        slots.TrimExcess(0);
        order = [];
        chunks.TrimExcess();
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();

    private int SlotsPerChunk => ChunkBytes / pageSize;

    private Span<byte> Slot(int slot) => chunks[slot / SlotsPerChunk].AsSpan(slot % SlotsPerChunk * pageSize, pageSize);
}
