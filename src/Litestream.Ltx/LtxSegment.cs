using System.Buffers.Binary;

namespace Litestream.Ltx;

/// <summary>
/// What a run of neighbouring page frames adds to the checks of its file: page order, content checksum, rolling checksum and
/// the index entries they must have. Runs that were read separately, in any order, join into longer ones, so a large file can be
/// verified in parallel; memory does not grow with the number of pages.
/// </summary>
public struct LtxSegment
{
    private ulong contentCrc;
    private long contentLength;
    private ulong indexCrc;
    private long indexLength;

    /// <summary>An empty run.</summary>
    /// <param name="start">File offset where its first frame starts.</param>
    public LtxSegment(long start) => Start = End = start;

    /// <summary>File offset of the first frame.</summary>
    public long Start { get; }

    /// <summary>File offset after the last frame.</summary>
    public long End { get; private set; }

    /// <summary>First page number; 0 when the run is empty.</summary>
    public uint FirstPage { get; private set; }

    /// <summary>Last page number; 0 when the run is empty.</summary>
    public uint LastPage { get; private set; }

    /// <summary>Number of frames.</summary>
    public long PageCount { get; private set; }

    /// <summary>XOR of the page checksums, flag not set (ltx-format §7.3); 0 when the file does not track checksums.</summary>
    public ulong PageChecksums { get; private set; }

    /// <summary>CRC of the bytes that the index list must have for these frames, without the terminator.</summary>
    internal readonly ulong IndexCrc => indexCrc;

    /// <summary>Size of the index list for these frames, without the terminator.</summary>
    internal readonly long IndexLength => indexLength;

    /// <summary>Continues a file checksum over the run.</summary>
    internal readonly ulong AppendContentTo(ulong crc) => Crc64.Combine(crc, contentCrc, contentLength);

    /// <summary>Adds the frame that follows the run.</summary>
    /// <param name="header">Header of the file.</param>
    /// <param name="pageNumber">Page number, already checked against the run.</param>
    /// <param name="frameHeader">The hashed bytes in front of the page: page header and, in block frames, the size field.</param>
    /// <param name="frameSize">Bytes of the frame in the file.</param>
    /// <param name="pageCrc">CRC of the uncompressed page.</param>
    internal void Add(in LtxHeader header, uint pageNumber, ReadOnlySpan<byte> frameHeader, int frameSize, ulong pageCrc)
    {
        ulong overPage = Crc64.AdvanceFactor(header.PageSize);
        contentCrc = Crc64.CombineBy(Crc64.Append(contentCrc, frameHeader), pageCrc, overPage);
        contentLength += frameHeader.Length + header.PageSize;

        Span<byte> entry = stackalloc byte[3 * Varint.MaxSize];
        int length = WriteIndexEntry(entry, pageNumber, End, frameSize);
        indexCrc = Crc64.Append(indexCrc, entry[..length]);
        indexLength += length;

        if (header.TracksChecksums)
        {
            PageChecksums ^= PageChecksum(pageNumber, pageCrc, overPage);
        }

        FirstPage = FirstPage == 0 ? pageNumber : FirstPage;
        LastPage = pageNumber;
        End += frameSize;
        PageCount++;
    }

    /// <summary>Appends the run that follows this one in the file.</summary>
    /// <param name="header">Header of the file.</param>
    /// <param name="next">The following run.</param>
    /// <param name="file">Name of the file for messages.</param>
    /// <exception cref="LtxException">The runs are not neighbours, or their pages are out of order.</exception>
    public void Join(in LtxHeader header, in LtxSegment next, string? file = null)
    {
        if (next.Start != End)
        {
            throw new LtxException(LtxErrorKind.PageIndex, $"the page index leaves the bytes from {End} to {next.Start} out of every frame", file, offset: End);
        }

        if (next.PageCount == 0)
        {
            return;
        }

        PageOrder.Check(header, LastPage, next.FirstPage, file, next.Start);
        contentCrc = Crc64.Combine(contentCrc, next.contentCrc, next.contentLength);
        contentLength += next.contentLength;
        indexCrc = Crc64.Combine(indexCrc, next.indexCrc, next.indexLength);
        indexLength += next.indexLength;
        PageChecksums ^= next.PageChecksums;
        FirstPage = FirstPage == 0 ? next.FirstPage : FirstPage;
        LastPage = next.LastPage;
        End = next.End;
        PageCount += next.PageCount;
    }

    /// <summary>Writes one triple of the index list and returns its size.</summary>
    internal static int WriteIndexEntry(Span<byte> destination, uint pageNumber, long offset, int frameSize)
    {
        int length = Varint.Write(destination, pageNumber);
        length += Varint.Write(destination[length..], (ulong)offset);
        return length + Varint.Write(destination[length..], (ulong)frameSize);
    }

    /// <summary>The checksum of a page, flag not set: CRC over its number and its content (ltx-format §7.2).</summary>
    internal static ulong PageChecksum(uint pageNumber, ulong pageCrc, ulong advanceFactorOfPage)
    {
        Span<byte> number = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(number, pageNumber);
        return Crc64.CombineBy(Crc64.Append(0, number), pageCrc, advanceFactorOfPage);
    }
}
