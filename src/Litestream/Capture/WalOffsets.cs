namespace Litestream.Capture;

/// <summary>Arithmetic between frame numbers and byte offsets of a WAL file, 64 bit throughout (replication §1, trap C6).</summary>
internal static class WalOffsets
{
    /// <summary>Bytes of the WAL header.</summary>
    public const int HeaderSize = 32;

    /// <summary>Bytes of a frame header.</summary>
    public const int FrameHeaderSize = 24;

    /// <summary>Offset just behind a frame, i.e. of the frame that follows it. Frame 0 is the header.</summary>
    public static long EndOfFrame(uint frame, int pageSize) => HeaderSize + ((long)(FrameHeaderSize + pageSize) * frame);

    /// <summary>The frame that ends at an offset; false when the offset is not a frame boundary.</summary>
    public static bool TryGetFrame(long endOffset, int pageSize, out uint frame)
    {
        long bytes = endOffset - HeaderSize;
        long frameSize = FrameHeaderSize + pageSize;
        bool aligned = bytes >= 0 && bytes % frameSize == 0 && bytes / frameSize <= uint.MaxValue;
        frame = aligned ? (uint)(bytes / frameSize) : 0;
        return aligned;
    }
}
