namespace Litestream.Ltx;

/// <summary>
/// Decodes page frames from memory, starting at any frame of a file: for parts that are fetched in parallel, mapped files, and
/// single pages. What it decoded becomes an <see cref="LtxSegment"/>; joined segments are verified by
/// <see cref="PageIndex.Verify"/>.
/// </summary>
/// <remarks>After an exception the reader is unusable.</remarks>
public ref struct LtxRangeReader
{
    private readonly int pageSize;
    private readonly string? file;
    private readonly FrameDecoder frames;
    private ReadOnlySpan<byte> rest;
    private bool pending;

    /// <summary>Creates a reader.</summary>
    /// <param name="header">Header of the file, validated.</param>
    /// <param name="start">File offset of the first frame.</param>
    /// <param name="input">The bytes of the frames, first to last, and nothing else.</param>
    /// <param name="file">Name of the file for messages.</param>
    public LtxRangeReader(in LtxHeader header, long start, ReadOnlySpan<byte> input, string? file = null)
    {
        pageSize = header.PageSize;
        this.file = file;
        rest = input;
        frames = new FrameDecoder(header, file, start, afterHeader: start == LtxFormat.HeaderSize);
    }

    /// <summary>Number of the current page.</summary>
    public readonly uint PageNumber => frames.PageNumber;

    /// <summary>Bytes of the current frame.</summary>
    public readonly int FrameSize => frames.FrameSize;

    /// <summary>What was decoded so far.</summary>
    public readonly LtxSegment Segment => frames.Segment;

    /// <summary>Moves to the next page; <see cref="DecompressTo"/> must follow, because every page is part of the file checksum.</summary>
    /// <returns>False at the end of the input.</returns>
    /// <exception cref="LtxException">The input is no complete page frame, or is the end-of-pages marker.</exception>
    public bool ReadPage()
    {
        if (pending)
        {
            throw new InvalidOperationException("The page before was not decompressed, so it would be missing from the file checksum.");
        }

        if (rest.IsEmpty)
        {
            return false;
        }

        FrameStatus status = frames.Parse(rest, out int needed);
        if (status == FrameStatus.EndMarker)
        {
            throw new LtxException(LtxErrorKind.PageIndex, "there is the end-of-pages marker where a page frame was expected", file, offset: frames.Segment.End);
        }

        if (status == FrameStatus.NeedMore)
        {
            throw new LtxException(LtxErrorKind.Truncated, $"the page frame needs {needed} bytes, {rest.Length} were read", file, offset: frames.Segment.End);
        }

        return pending = true;
    }

    /// <summary>Decompresses the current page and adds it to the segment.</summary>
    /// <param name="destination">Exactly one page.</param>
    /// <returns>CRC of the page (<see cref="Crc64"/>).</returns>
    /// <exception cref="LtxException">The payload is not exactly one page.</exception>
    public ulong DecompressTo(Span<byte> destination)
    {
        if (!pending || destination.Length != pageSize)
        {
            throw new InvalidOperationException(pending ? $"The destination has {destination.Length} bytes, a page {pageSize}." : "There is no current page.");
        }

        ulong crc = frames.Decode(rest[..frames.FrameSize], destination);
        rest = rest[frames.FrameSize..];
        pending = false;
        return crc;
    }
}
