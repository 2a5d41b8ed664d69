using System.Buffers;

namespace Litestream.Capture;

/// <summary>The newest images of a sealed WAL segment, pages ascending.</summary>
internal sealed class SegmentPages(WalSegment segment, WalReader wal, int pageSize) : IDisposable
{
    private readonly byte[] page = ArrayPool<byte>.Shared.Rent(pageSize);
    private int index = -1;

    /// <summary>Current page.</summary>
    public uint PageNumber => segment[index].PageNumber;

    /// <summary>Its image; valid until the next move.</summary>
    public ReadOnlySpan<byte> Page => page.AsSpan(0, pageSize);

    /// <summary>Moves to the next page.</summary>
    public bool MoveNext()
    {
        if (++index >= segment.PageCount)
        {
            if (segment.PageCount > 0)
            {
                // Pages were read after their frames had been verified. Under the first lock the WAL may have been restarted in
                // between (trap B15); the writer that does so puts the new header there before the first frame.
                wal.EnsureGeneration(segment.End);
            }

            return false;
        }

        wal.ReadPage(segment[index].Frame, page.AsSpan(0, pageSize));
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => ArrayPool<byte>.Shared.Return(page);
}
