using System.Buffers.Binary;

namespace Litestream.Ltx;

/// <summary>
/// The LZ4 frame that Litestream 0.5.0 to 0.5.15 put around each page (ltx-format §4.2). Read only. It has no length prefix
/// and is followed at once by the next page header, so exactly its own bytes are consumed (superfly/ltx#70).
/// </summary>
internal static class LegacyFrame
{
    /// <summary>Bytes before the block data: frame header and block size.</summary>
    internal const int PrefixSize = 7 + 4;

    /// <summary>Bytes around the block data: prefix, end mark, content checksum.</summary>
    internal const int Overhead = PrefixSize + 4 + 4;

    // In the block size: the block is stored, not compressed.
    private const uint Stored = 1u << 31;

    // Version 1, independent blocks, content checksum, 64 KiB blocks, and the checksum A7 of those two bytes: all writers' only form.
    private static ReadOnlySpan<byte> FrameHeader => [0x04, 0x22, 0x4D, 0x18, 0x64, 0x40, 0xA7];

    /// <summary>Reads the size of the block data from the first <see cref="PrefixSize"/> bytes.</summary>
    /// <returns>What is wrong, or null.</returns>
    internal static string? TryParsePrefix(ReadOnlySpan<byte> frame, int pageSize, out int blockLength)
    {
        blockLength = 0;
        if (!frame.StartsWith(FrameHeader))
        {
            return $"the LZ4 frame header is {Convert.ToHexStringLower(frame[..FrameHeader.Length])}, expected {Convert.ToHexStringLower(FrameHeader)}";
        }

        uint size = BinaryPrimitives.ReadUInt32LittleEndian(frame[FrameHeader.Length..]);
        uint length = size & ~Stored;
        bool inBounds = (size & Stored) != 0
            ? length == pageSize
            : length >= 1 && length <= LtxFormat.MaxBlockSize(pageSize);
        if (!inBounds)
        {
            return $"the LZ4 frame has a block of {length} bytes, impossible for a page of {pageSize} bytes";
        }

        blockLength = (int)length;
        return null;
    }

    /// <summary>Decodes a whole frame into one page and verifies its end mark and content checksum.</summary>
    /// <returns>What is wrong, or null.</returns>
    internal static string? TryDecode(ReadOnlySpan<byte> frame, Span<byte> page)
    {
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(frame[FrameHeader.Length..]);
        ReadOnlySpan<byte> block = frame[PrefixSize..^8];
        if ((size & Stored) != 0)
        {
            block.CopyTo(page);
        }
        else if (!LtxBlock.TryDecompress(block, page))
        {
            return $"the LZ4 block of {block.Length} bytes is not exactly one page of {page.Length} bytes";
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(frame[^8..]) != 0)
        {
            return "the LZ4 frame has no end mark after its only block";
        }

        uint expected = BinaryPrimitives.ReadUInt32LittleEndian(frame[^4..]);
        uint actual = XxHash32.Hash(page);
        return actual == expected ? null : $"the content checksum of the LZ4 frame is {expected:x8}, the page has {actual:x8}";
    }
}
