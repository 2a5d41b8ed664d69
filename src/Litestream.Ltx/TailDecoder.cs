using System.Buffers.Binary;

namespace Litestream.Ltx;

/// <summary>
/// Everything after the last page frame: marker, index, trailer. The index is compared with the frames that were read without
/// holding either: it must parse, describe neighbouring frames, and have the CRC that their entries give.
/// </summary>
internal sealed class TailDecoder
{
    private readonly LtxHeader header;
    private readonly LtxSegment frames;
    private readonly string? file;
    private readonly long listStart;
    private ulong fileCrc;
    private IndexListParser list;
    private ulong listCrc;
    private long listLength;
    private bool sizeSeen;

    /// <param name="header">Validated header.</param>
    /// <param name="headerBytes">The header as stored: reserved bytes are hashed, too.</param>
    /// <param name="frames">All page frames of the file.</param>
    /// <param name="file">Name of the file for messages.</param>
    internal TailDecoder(in LtxHeader header, ReadOnlySpan<byte> headerBytes, in LtxSegment frames, string? file)
    {
        this.header = header;
        this.frames = frames;
        this.file = file;
        PageOrder.CheckComplete(header, frames.LastPage, file, frames.End);
        ReadOnlySpan<byte> marker = stackalloc byte[LtxFormat.PageHeaderSize];
        fileCrc = Crc64.Append(frames.AppendContentTo(Crc64.Append(0, headerBytes)), marker);
        listStart = frames.End + LtxFormat.PageHeaderSize;
        list = new IndexListParser(frames.Start, file);
    }

    /// <summary>The trailer, once <see cref="Consume"/> returned true.</summary>
    internal LtxTrailer Trailer { get; private set; }

    /// <summary>Takes the bytes after the marker piece by piece.</summary>
    /// <param name="input">The next bytes.</param>
    /// <param name="consumed">How many were used.</param>
    /// <param name="needed">When false is returned: how many bytes must be there next time, at least.</param>
    /// <returns>True when the file is complete and correct; nothing may follow.</returns>
    /// <exception cref="LtxException">A check failed.</exception>
    internal bool Consume(ReadOnlySpan<byte> input, out int consumed, out int needed)
    {
        consumed = 0;
        if (!list.IsComplete)
        {
            consumed = list.Consume(input, listStart);
            listCrc = Crc64.Append(listCrc, input[..consumed]);
            listLength += consumed;
            if (!list.IsComplete)
            {
                needed = 1;
                return false;
            }

            CheckList(listCrc, listLength, list.NextOffset);
        }

        if (!sizeSeen)
        {
            needed = LtxFormat.IndexSizeFieldSize;
            if (input.Length - consumed < needed)
            {
                return false;
            }

            CheckSize(input.Slice(consumed, needed));
            consumed += needed;
        }

        needed = LtxFormat.TrailerSize;
        if (input.Length - consumed < needed)
        {
            return false;
        }

        CheckTrailer(input.Slice(consumed, needed));
        consumed += needed;
        return true;
    }

    /// <summary>Checks a tail whose list was parsed elsewhere.</summary>
    /// <param name="crc">CRC of the list with its terminator.</param>
    /// <param name="length">Bytes of the list with its terminator.</param>
    /// <param name="nextOffset">File offset after the last frame of the list.</param>
    /// <param name="sizeAndTrailer">The last 24 bytes of the file.</param>
    internal void Check(ulong crc, long length, long nextOffset, ReadOnlySpan<byte> sizeAndTrailer)
    {
        listLength = length;
        CheckList(crc, length, nextOffset);
        CheckSize(sizeAndTrailer[..LtxFormat.IndexSizeFieldSize]);
        CheckTrailer(sizeAndTrailer[LtxFormat.IndexSizeFieldSize..]);
    }

    private void CheckList(ulong crc, long length, long nextOffset)
    {
        // The terminator is one byte more than the entries.
        if (length != frames.IndexLength + 1 || crc != Crc64.Append(frames.IndexCrc, [0]) || nextOffset != frames.End)
        {
            throw new LtxException(LtxErrorKind.PageIndex, $"the page index does not describe the {frames.PageCount} page frames of the file", file, offset: listStart);
        }

        fileCrc = Crc64.Combine(fileCrc, crc, length);
    }

    private void CheckSize(ReadOnlySpan<byte> field)
    {
        ulong size = BinaryPrimitives.ReadUInt64BigEndian(field);
        if (size != (ulong)listLength)
        {
            throw new LtxException(LtxErrorKind.PageIndex, $"the index size field is {size}, the list has {listLength} bytes", file, offset: listStart + listLength);
        }

        fileCrc = Crc64.Append(fileCrc, field);
        sizeSeen = true;
    }

    private void CheckTrailer(ReadOnlySpan<byte> bytes)
    {
        Trailer = LtxTrailer.Parse(bytes);
        long offset = listStart + listLength + LtxFormat.IndexSizeFieldSize;
        if ((Trailer.FileChecksum & LtxFormat.ChecksumFlag) == 0)
        {
            throw new LtxException(LtxErrorKind.TrailerInvalid, $"file checksum {Trailer.FileChecksum:x16} must have its highest bit set", file, offset: offset + 8);
        }

        ulong actual = LtxFormat.ChecksumFlag | Crc64.Append(fileCrc, bytes[..8]);
        string? postApplyDefect = LtxTrailer.FindPostApplyDefect(header, Trailer.PostApplyChecksum);

        // A flipped bit that also breaks a rule of the trailer is reported as the rule: it says more.
        if (postApplyDefect is not null)
        {
            throw new LtxException(LtxErrorKind.TrailerInvalid, postApplyDefect, file, offset: offset);
        }

        if (Trailer.FileChecksum != actual)
        {
            throw new LtxException(LtxErrorKind.FileChecksum, $"the file checksum is {Trailer.FileChecksum:x16}, the content has {actual:x16}; the file is damaged", file, offset: offset + 8);
        }

        ulong rolling = LtxFormat.ChecksumFlag | frames.PageChecksums;
        if (header.IsSnapshot && header.TracksChecksums && Trailer.PostApplyChecksum != rolling)
        {
            throw new LtxException(LtxErrorKind.PostApplyChecksum, $"the post-apply checksum is {Trailer.PostApplyChecksum:x16}, the pages have {rolling:x16}", file, offset: offset);
        }
    }
}
