using System.Buffers.Binary;

namespace Litestream.Sqlite;

/// <summary>The 24 bytes before each page in a WAL file (replication §5).</summary>
/// <param name="PageNumber">Page that follows.</param>
/// <param name="Commit">Size of the database in pages if this frame ends a transaction, else 0.</param>
/// <param name="Salt1">First salt of the frame's generation.</param>
/// <param name="Salt2">Second salt.</param>
/// <param name="Checksum1">First running checksum up to and including this frame.</param>
/// <param name="Checksum2">Second running checksum.</param>
public readonly record struct WalFrameHeader(uint PageNumber, uint Commit, uint Salt1, uint Salt2, uint Checksum1, uint Checksum2)
{
    /// <summary>Whether the frame ends a transaction.</summary>
    public bool IsCommit => Commit != 0;

    /// <summary>Reads a frame header.</summary>
    /// <param name="source">At least 24 bytes.</param>
    public static WalFrameHeader Parse(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt32BigEndian(source),
        BinaryPrimitives.ReadUInt32BigEndian(source[4..]),
        BinaryPrimitives.ReadUInt32BigEndian(source[8..]),
        BinaryPrimitives.ReadUInt32BigEndian(source[12..]),
        BinaryPrimitives.ReadUInt32BigEndian(source[16..]),
        BinaryPrimitives.ReadUInt32BigEndian(source[20..]));

    /// <summary>The running checksum after a whole frame: over the first 8 bytes of its header, then the page.</summary>
    /// <param name="s0">First word after the previous frame, or the header's.</param>
    /// <param name="s1">Second word.</param>
    /// <param name="frame">Frame header and page.</param>
    /// <param name="bigEndian">Word order, from the WAL header.</param>
    public static (uint S0, uint S1) ChecksumOf(uint s0, uint s1, ReadOnlySpan<byte> frame, bool bigEndian)
    {
        (s0, s1) = WalChecksum.Append(s0, s1, frame[..8], bigEndian);
        return WalChecksum.Append(s0, s1, frame[WalFormat.FrameHeaderSize..], bigEndian);
    }
}
