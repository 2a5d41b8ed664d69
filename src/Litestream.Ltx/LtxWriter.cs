using System.Buffers;
using System.Buffers.Binary;

namespace Litestream.Ltx;

/// <summary>
/// Writes one LTX file front to back: header, page frames (LZ4 blocks), end marker, index, trailer (ltx-format §10). Refuses
/// everything a reader would refuse. Memory: one output buffer and about two bytes a page.
/// </summary>
/// <remarks>
/// Only <see cref="Finish"/> writes the trailer: a file whose writer failed or was disposed before is recognisably cut, and its
/// consumer must not publish it. After an exception the writer is unusable. Not thread-safe.
/// </remarks>
public sealed class LtxWriter : IDisposable
{
    private const int FlushSize = 64 * 1024;

    private readonly Stream destination;
    private readonly bool leaveOpen;
    private readonly FrameList index = new(LtxFormat.HeaderSize);
    private readonly ulong overPage;
    private byte[] buffer;
    private int used;
    private ulong fileCrc;
    private ulong pageChecksums;
    private State state;

    /// <summary>Validates the header and starts the file.</summary>
    /// <param name="destination">Where the file goes; written synchronously, in large pieces.</param>
    /// <param name="header">The header.</param>
    /// <param name="leaveOpen">Whether the destination stays open when the writer is disposed.</param>
    /// <exception cref="LtxException">
    /// The header breaks a rule, or describes a deleted database without checksums, which the format cannot express.
    /// </exception>
    public LtxWriter(Stream destination, in LtxHeader header, bool leaveOpen = false)
    {
        header.Validate();
        if (header.Commit == 0 && !header.TracksChecksums)
        {
            throw new LtxException(LtxErrorKind.HeaderInvalid, "a deleted database (commit 0) cannot be written without checksums");
        }

        this.destination = destination;
        this.leaveOpen = leaveOpen;
        Header = header;
        overPage = Crc64.AdvanceFactor(header.PageSize);
        buffer = ArrayPool<byte>.Shared.Rent(FlushSize + LtxFormat.MaxFrameSize(header.PageSize));
        header.WriteTo(buffer);
        used = LtxFormat.HeaderSize;
        fileCrc = Crc64.Append(0, buffer.AsSpan(0, used));
    }

    private enum State
    {
        Pages,
        Finished,
        Failed,
    }

    /// <summary>The header of the file.</summary>
    public LtxHeader Header { get; }

    /// <summary>Bytes of the file so far; after <see cref="Finish"/> its size.</summary>
    public long BytesWritten { get; private set; } = LtxFormat.HeaderSize;

    /// <summary>Number of page frames.</summary>
    public long PageCount => index.Count;

    /// <summary>Number of the last page written; 0 before the first.</summary>
    public uint LastPage => index.LastPage;

    /// <summary>
    /// For a snapshot with checksums: the rolling checksum of the pages written so far, which is what <see cref="Finish"/> needs
    /// once all are.
    /// </summary>
    public ulong RollingChecksum => LtxFormat.ChecksumFlag | pageChecksums;

    /// <summary>Compresses a page and appends it.</summary>
    /// <param name="pageNumber">Greater than the last one, at most the commit size, not the lock page; in a snapshot without gaps.</param>
    /// <param name="page">Exactly one page.</param>
    /// <exception cref="LtxException">The page must not come here.</exception>
    public void WritePage(uint pageNumber, ReadOnlySpan<byte> page)
    {
        CheckPage(pageNumber, page.Length);
        int blockLength = LtxBlock.Compress(page, buffer.AsSpan(used + LtxFormat.PageHeaderSize + LtxFormat.BlockSizeFieldSize));
        Append(pageNumber, blockLength, Crc64.Append(0, page));
    }

    /// <summary>Appends a page whose LZ4 block exists already.</summary>
    /// <param name="pageNumber">As for <see cref="WritePage"/>.</param>
    /// <param name="block">The block; it must decompress to exactly <paramref name="page"/>.</param>
    /// <param name="page">Exactly one page; only hashed.</param>
    /// <exception cref="LtxException">The page must not come here.</exception>
    public void WriteBlock(uint pageNumber, ReadOnlySpan<byte> block, ReadOnlySpan<byte> page)
    {
        CheckPage(pageNumber, page.Length);
        WriteBlock(pageNumber, block, Crc64.Append(0, page));
    }

    /// <summary>Appends a page whose LZ4 block and CRC exist already.</summary>
    /// <param name="pageNumber">As for <see cref="WritePage"/>.</param>
    /// <param name="block">The block.</param>
    /// <param name="pageCrc">CRC of the uncompressed page (<see cref="Crc64"/>), see <see cref="LtxReader.PageCrc"/>.</param>
    /// <exception cref="LtxException">The page must not come here.</exception>
    public void WriteBlock(uint pageNumber, ReadOnlySpan<byte> block, ulong pageCrc)
    {
        CheckPage(pageNumber, Header.PageSize);
        if (block.IsEmpty || block.Length > LtxFormat.MaxBlockSize(Header.PageSize))
        {
            state = State.Failed;
            throw new LtxException(LtxErrorKind.PageData, $"a block of {block.Length} bytes cannot be a page of {Header.PageSize} bytes", pageNumber: pageNumber);
        }

        block.CopyTo(buffer.AsSpan(used + LtxFormat.PageHeaderSize + LtxFormat.BlockSizeFieldSize));
        Append(pageNumber, block.Length, pageCrc);
    }

    /// <summary>Writes end marker, index and trailer, and flushes the destination.</summary>
    /// <param name="postApplyChecksum">
    /// Rolling checksum of the database after applying; 0 without checksums, 8000000000000000 for a deleted database.
    /// </param>
    /// <returns>Size of the file in bytes.</returns>
    /// <exception cref="LtxException">Pages of a snapshot are missing, or the checksum breaks a rule. No trailer was written.</exception>
    public long Finish(ulong postApplyChecksum = 0)
    {
        Expect();
        state = State.Failed;
        PageOrder.CheckComplete(Header, LastPage, file: null, BytesWritten);
        if (LtxTrailer.FindPostApplyDefect(Header, postApplyChecksum) is { } defect)
        {
            throw new LtxException(LtxErrorKind.TrailerInvalid, defect);
        }

        if (Header.IsSnapshot && Header.TracksChecksums && postApplyChecksum != RollingChecksum)
        {
            throw new LtxException(LtxErrorKind.PostApplyChecksum, $"the post-apply checksum is {postApplyChecksum:x16}, the pages of the snapshot have {RollingChecksum:x16}");
        }

        WriteTail(postApplyChecksum);
        destination.Flush();
        state = State.Finished;
        return BytesWritten;
    }

    /// <summary>Returns the buffers and, unless it was to stay open, closes the destination.</summary>
    public void Dispose()
    {
        index.Dispose();
        if (buffer.Length != 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
        }

        state = state == State.Finished ? state : State.Failed;
        if (!leaveOpen)
        {
            destination.Dispose();
        }
    }

    private void CheckPage(uint pageNumber, int length)
    {
        Expect();
        state = State.Failed;
        if (length != Header.PageSize)
        {
            throw new ArgumentException($"The page has {length} bytes, the header says {Header.PageSize}.");
        }

        PageOrder.Check(Header, LastPage, pageNumber, file: null, BytesWritten);
        state = State.Pages;
    }

    private void Append(uint pageNumber, int blockLength, ulong pageCrc)
    {
        state = State.Failed;
        Span<byte> frameHeader = buffer.AsSpan(used, LtxFormat.PageHeaderSize + LtxFormat.BlockSizeFieldSize);
        BinaryPrimitives.WriteUInt32BigEndian(frameHeader, pageNumber);
        BinaryPrimitives.WriteUInt16BigEndian(frameHeader[4..], LtxFormat.PageFlagBlock);
        BinaryPrimitives.WriteUInt32BigEndian(frameHeader[LtxFormat.PageHeaderSize..], (uint)blockLength);
        fileCrc = Crc64.CombineBy(Crc64.Append(fileCrc, frameHeader), pageCrc, overPage);
        if (Header.TracksChecksums)
        {
            pageChecksums ^= LtxSegment.PageChecksum(pageNumber, pageCrc, overPage);
        }

        int size = frameHeader.Length + blockLength;
        index.Add(pageNumber, size);
        Advance(size);
        state = State.Pages;
    }

    private void WriteTail(ulong postApplyChecksum)
    {
        int mark = used;
        buffer.AsSpan(used, LtxFormat.PageHeaderSize).Clear();
        fileCrc = Crc64.Append(fileCrc, buffer.AsSpan(mark, LtxFormat.PageHeaderSize));
        Advance(LtxFormat.PageHeaderSize);

        long listStart = BytesWritten;
        foreach (PageIndexEntry entry in index.Entries())
        {
            int length = LtxSegment.WriteIndexEntry(buffer.AsSpan(used), entry.PageNumber, entry.Offset, (int)entry.Size);
            fileCrc = Crc64.Append(fileCrc, buffer.AsSpan(used, length));
            Advance(length);
        }

        // Terminator, size of the list, trailer: the file checksum covers all but itself.
        mark = used;
        buffer[used] = 0;
        long listSize = BytesWritten + 1 - listStart;
        BinaryPrimitives.WriteInt64BigEndian(buffer.AsSpan(used + 1), listSize);
        Span<byte> trailer = buffer.AsSpan(used + 1 + LtxFormat.IndexSizeFieldSize, LtxFormat.TrailerSize);
        BinaryPrimitives.WriteUInt64BigEndian(trailer, postApplyChecksum);
        int hashed = 1 + LtxFormat.IndexSizeFieldSize + sizeof(ulong);
        fileCrc = Crc64.Append(fileCrc, buffer.AsSpan(mark, hashed));
        new LtxTrailer(postApplyChecksum, LtxFormat.ChecksumFlag | fileCrc).WriteTo(trailer);
        Advance(hashed + sizeof(ulong));
        FlushBuffer();
    }

    private void Advance(int count)
    {
        used += count;
        BytesWritten += count;
        if (used >= FlushSize)
        {
            FlushBuffer();
        }
    }

    private void FlushBuffer()
    {
        destination.Write(buffer, 0, used);
        used = 0;
    }

    private void Expect()
    {
        if (state != State.Pages)
        {
            throw new InvalidOperationException(state == State.Finished
                ? "The file is finished."
                : "The writer failed or was disposed before; what it wrote must be discarded.");
        }
    }
}
