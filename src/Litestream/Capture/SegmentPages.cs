using System.Buffers;

namespace Litestream.Capture;

/// <summary>The newest images of a sealed WAL segment, pages ascending.</summary>
internal sealed class SegmentPages(WalSegment segment, WalReader wal, int pageSize) : IDisposable
{
    private byte[]? scratch;
    private int index = -1;

    /// <summary>Current page.</summary>
    public uint PageNumber => segment[index].PageNumber;

    /// <summary>Its image; valid until the next read from the WAL.</summary>
    public ReadOnlySpan<byte> Page => wal.TryGetBuffered(segment[index].Frame, out ReadOnlySpan<byte> page) ? page : Read();

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

        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (scratch is not null)
        {
            ArrayPool<byte>.Shared.Return(scratch);
            scratch = null;
        }
    }

    private ReadOnlySpan<byte> Read()
    {
        scratch ??= ArrayPool<byte>.Shared.Rent(pageSize);
        wal.ReadPage(segment[index].Frame, scratch.AsSpan(0, pageSize));
        return scratch.AsSpan(0, pageSize);
    }
}
