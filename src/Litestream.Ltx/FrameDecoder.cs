using System.Buffers.Binary;

namespace Litestream.Ltx;

/// <summary>Parses page frames one after the other out of memory and keeps the file's checks. Knows no streams.</summary>
internal sealed class FrameDecoder(LtxHeader header, string? file, long start, bool afterHeader)
{
    private LtxSegment segment = new(start);

    /// <summary>The frames decoded so far.</summary>
    internal ref readonly LtxSegment Segment => ref segment;

    /// <summary>Page number of the parsed frame.</summary>
    internal uint PageNumber { get; private set; }

    /// <summary>Bytes of the parsed frame.</summary>
    internal int FrameSize { get; private set; }

    /// <summary>True when the payload is an LZ4 frame instead of a block.</summary>
    internal bool IsLegacy { get; private set; }

    /// <summary>
    /// Parses the header of the frame at the start of <paramref name="input"/>; the frame that was parsed before must have been
    /// decoded.
    /// </summary>
    /// <param name="input">File bytes from the end of the last frame on.</param>
    /// <param name="needed">When more input is needed: how much in all.</param>
    /// <exception cref="LtxException">The frame is invalid.</exception>
    internal FrameStatus Parse(ReadOnlySpan<byte> input, out int needed)
    {
        if (input.Length < LtxFormat.PageHeaderSize)
        {
            needed = LtxFormat.PageHeaderSize;
            return FrameStatus.NeedMore;
        }

        uint pageNumber = BinaryPrimitives.ReadUInt32BigEndian(input);
        ushort flags = BinaryPrimitives.ReadUInt16BigEndian(input[4..]);
        if (pageNumber == 0 && flags == 0)
        {
            needed = 0;
            return FrameStatus.EndMarker;
        }

        CheckPageHeader(pageNumber, flags);
        PageNumber = pageNumber;
        IsLegacy = flags == 0;
        FrameSize = IsLegacy ? ParseLegacySize(input, out needed) : ParseBlockSize(input, out needed);
        if (FrameSize == 0)
        {
            return FrameStatus.NeedMore;
        }

        needed = FrameSize;
        return input.Length < needed ? FrameStatus.NeedMore : FrameStatus.Page;
    }

    /// <summary>The payload of a parsed frame: one raw LZ4 block. Not for legacy frames.</summary>
    internal static ReadOnlySpan<byte> BlockOf(ReadOnlySpan<byte> frame) =>
        frame[(LtxFormat.PageHeaderSize + LtxFormat.BlockSizeFieldSize)..];

    /// <summary>Decompresses the parsed frame without counting it.</summary>
    /// <exception cref="LtxException">The payload is not exactly one page.</exception>
    internal void Decompress(ReadOnlySpan<byte> frame, Span<byte> page)
    {
        string? defect = IsLegacy
            ? LegacyFrame.TryDecode(frame[LtxFormat.PageHeaderSize..], page)
            : LtxBlock.TryDecompress(BlockOf(frame), page)
                ? null : $"the LZ4 block of {BlockOf(frame).Length} bytes is not exactly one page of {page.Length} bytes";
        if (defect is not null)
        {
            throw new LtxException(LtxErrorKind.PageData, defect, file, PageNumber, segment.End);
        }
    }

    /// <summary>Decompresses the parsed frame and counts it.</summary>
    /// <returns>CRC of the page.</returns>
    /// <exception cref="LtxException">The payload is not exactly one page.</exception>
    internal ulong Decode(ReadOnlySpan<byte> frame, Span<byte> page)
    {
        Decompress(frame, page);
        ulong crc = Crc64.Append(0, page);
        int hashed = LtxFormat.PageHeaderSize + (IsLegacy ? 0 : LtxFormat.BlockSizeFieldSize);
        segment.Add(header, PageNumber, frame[..hashed], FrameSize, crc);
        return crc;
    }

    private void CheckPageHeader(uint pageNumber, ushort flags)
    {
        if ((flags & ~LtxFormat.PageFlagBlock) != 0)
        {
            throw new LtxException(LtxErrorKind.PageHeaderInvalid, $"unknown page flags 0x{flags:x4} (pre-release files of versions 1 and 2 look like this and cannot be read)", file, pageNumber, segment.End);
        }

        if (pageNumber == 0)
        {
            throw new LtxException(LtxErrorKind.PageHeaderInvalid, $"page number 0 with page flags 0x{flags:x4}", file, offset: segment.End);
        }

        if (segment.PageCount == 0 && !afterHeader)
        {
            // The first frame of a part of a file: its predecessor is checked when the parts are joined.
            PageOrder.CheckMember(header, pageNumber, file, segment.End);
            return;
        }

        PageOrder.Check(header, segment.LastPage, pageNumber, file, segment.End);
    }

    private int ParseBlockSize(ReadOnlySpan<byte> input, out int needed)
    {
        needed = LtxFormat.PageHeaderSize + LtxFormat.BlockSizeFieldSize;
        if (input.Length < needed)
        {
            return 0;
        }

        uint size = BinaryPrimitives.ReadUInt32BigEndian(input[LtxFormat.PageHeaderSize..]);
        if (size == 0 || size > LtxFormat.MaxBlockSize(header.PageSize))
        {
            throw new LtxException(LtxErrorKind.PageData, $"size field {size} is not from 1 to {LtxFormat.MaxBlockSize(header.PageSize)}", file, PageNumber, segment.End);
        }

        return needed + (int)size;
    }

    private int ParseLegacySize(ReadOnlySpan<byte> input, out int needed)
    {
        needed = LtxFormat.PageHeaderSize + LegacyFrame.PrefixSize;
        if (input.Length < needed)
        {
            return 0;
        }

        if (LegacyFrame.TryParsePrefix(input[LtxFormat.PageHeaderSize..], header.PageSize, out int blockLength) is { } defect)
        {
            throw new LtxException(LtxErrorKind.PageData, defect, file, PageNumber, segment.End);
        }

        return LtxFormat.PageHeaderSize + LegacyFrame.Overhead + blockLength;
    }
}
