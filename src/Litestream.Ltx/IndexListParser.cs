namespace Litestream.Ltx;

/// <summary>
/// Parses the list of a page index byte by byte, in pieces of any size. Frames lie one after the other in a file, so each
/// entry must start where the one before it ended.
/// </summary>
internal struct IndexListParser(long firstFrame, string? file)
{
    private const ulong MinFrameSize = LtxFormat.PageHeaderSize + LtxFormat.BlockSizeFieldSize + 1;

    private ulong value;
    private int shift;
    private int field;
    private uint pageNumber;
    private ulong offset;
    private uint lastPage;

    /// <summary>True after the terminating zero.</summary>
    internal bool IsComplete { get; private set; }

    /// <summary>File offset after the last frame of the list.</summary>
    internal long NextOffset { get; private set; } = firstFrame;

    /// <summary>The entry that the last call completed.</summary>
    internal PageIndexEntry Current { get; private set; }

    /// <summary>Consumes input up to and including the terminator.</summary>
    /// <param name="input">The next bytes.</param>
    /// <param name="position">File offset for messages.</param>
    /// <returns>Bytes used.</returns>
    internal int Consume(ReadOnlySpan<byte> input, long position)
    {
        int used = 0;
        while (used < input.Length && !IsComplete)
        {
            used += ConsumeEntry(input[used..], position, out _);
        }

        return used;
    }

    /// <summary>Consumes input up to the end of one entry or of the list.</summary>
    /// <param name="input">The next bytes.</param>
    /// <param name="position">File offset for messages.</param>
    /// <param name="entry">True when an entry was completed; it is <see cref="Current"/>.</param>
    /// <returns>Bytes used.</returns>
    internal int ConsumeEntry(ReadOnlySpan<byte> input, long position, out bool entry)
    {
        entry = false;
        int used = 0;
        foreach (byte b in input)
        {
            used++;
            if (shift == 63 && b > 1)
            {
                throw Defect("a number has more than 64 bits", position);
            }

            value |= (ulong)(b & 0x7F) << shift;
            shift += 7;
            if ((b & 0x80) != 0)
            {
                continue;
            }

            if (FinishNumber(position))
            {
                entry = !IsComplete;
                break;
            }
        }

        return used;
    }

    private bool FinishNumber(long position)
    {
        ulong number = value;
        value = 0;
        shift = 0;
        if (field == 0)
        {
            if (number > uint.MaxValue || (number != 0 && number <= lastPage))
            {
                throw Defect($"page number {number} follows {lastPage}", position);
            }

            pageNumber = (uint)number;
            field = 1;
            return IsComplete = number == 0;
        }

        if (field == 1)
        {
            offset = number;
            field = 2;
            return false;
        }

        if (offset != (ulong)NextOffset || number is < MinFrameSize or > int.MaxValue || NextOffset > long.MaxValue - (long)number)
        {
            throw Defect($"the entry of page {pageNumber} says {number} bytes at offset {offset}, its frame must start at {NextOffset}", position);
        }

        Current = new PageIndexEntry(pageNumber, NextOffset, (long)number);
        lastPage = pageNumber;
        NextOffset += (long)number;
        field = 0;
        return true;
    }

    private readonly LtxException Defect(string text, long position) =>
        new(LtxErrorKind.PageIndex, "the page index is malformed: " + text, file, offset: position);
}
