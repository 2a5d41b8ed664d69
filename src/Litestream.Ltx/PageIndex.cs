using System.Buffers;
using System.Buffers.Binary;

namespace Litestream.Ltx;

/// <summary>
/// The page index of a file of known size, read from its tail without reading the pages (ltx-format §12). Nothing in it is
/// trusted: sizes are checked before they are used, and its entries must cover the file from header to end marker.
/// </summary>
/// <remarks>Holds about two and a half bytes a page.</remarks>
public sealed class PageIndex : IDisposable
{
    // One request brings the whole index of files up to some 5,000 pages; larger ones need one more.
    private const int TailSize = 32 * 1024;
    private const int ChunkSize = 4 * 1024 * 1024;
    private const int EndSize = LtxFormat.IndexSizeFieldSize + LtxFormat.TrailerSize;

    private readonly FrameList frames = new(LtxFormat.HeaderSize);
    private readonly byte[] end = new byte[EndSize];
    private readonly string? file;
    private IndexListParser parser;
    private ulong listCrc;
    private long listLength;
    private int markerLeft = LtxFormat.PageHeaderSize;

    private PageIndex(long fileSize, string? file)
    {
        FileSize = fileSize;
        this.file = file;
        parser = new IndexListParser(LtxFormat.HeaderSize, file);
    }

    /// <summary>Size of the file in bytes.</summary>
    public long FileSize { get; }

    /// <summary>Number of page frames.</summary>
    public long PageCount => frames.Count;

    /// <summary>File offset after the last page frame.</summary>
    public long FramesEnd => frames.End;

    /// <summary>The file checksum as the trailer states it; proven only by <see cref="Verify"/>.</summary>
    public ulong FileChecksum => LtxTrailer.Parse(end.AsSpan(LtxFormat.IndexSizeFieldSize)).FileChecksum;

    /// <summary>The entries in ascending page order.</summary>
    public IEnumerable<PageIndexEntry> Entries => frames.Entries();

    /// <summary>Reads and checks the index of a file.</summary>
    /// <param name="fileSize">Size of the file in bytes. When it is stale the checks fail: list again and retry.</param>
    /// <param name="read">Reads from the file; called once or, for large indexes, a few times.</param>
    /// <param name="file">Name of the file for messages.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="LtxException">The file is too short, or its index or trailer is not valid.</exception>
    public static async ValueTask<PageIndex> LoadAsync(long fileSize, ReadRange read, string? file = null, CancellationToken cancellationToken = default)
    {
        if (fileSize < LtxFormat.MinFileSize)
        {
            throw new LtxException(LtxErrorKind.Truncated, $"it has {fileSize} bytes, the smallest file has {LtxFormat.MinFileSize}", file);
        }

        var index = new PageIndex(fileSize, file);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(TailSize);
        try
        {
            int tailSize = (int)Math.Min(fileSize, TailSize);
            long tailStart = fileSize - tailSize;
            await index.ReadExactlyAsync(read, tailStart, buffer.AsMemory(0, tailSize), cancellationToken).ConfigureAwait(false);
            index.ReadEnd(buffer.AsSpan(0, tailSize));

            // The marker in front of the list is read along: it must be one.
            long position = fileSize - EndSize - index.listLength - LtxFormat.PageHeaderSize;
            if (position < tailStart)
            {
                await index.ReadHeadAsync(read, position, tailStart, cancellationToken).ConfigureAwait(false);
                position = tailStart;
            }

            index.Parse(buffer.AsSpan((int)(position - tailStart), (int)(fileSize - EndSize - position)), position);
            index.CheckComplete();
            return index;
        }
        catch
        {
            index.Dispose();
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Finds a page.</summary>
    /// <param name="pageNumber">The page.</param>
    /// <param name="entry">Where it is.</param>
    /// <returns>False when the file does not have the page.</returns>
    public bool TryFind(uint pageNumber, out PageIndexEntry entry) => frames.TryFind(pageNumber, out entry);

    /// <summary>Cuts the page frames of the file into parts that can be fetched and decoded on their own.</summary>
    /// <param name="targetSize">A part ends with the first frame that brings it to this many bytes.</param>
    public IEnumerable<LtxFrameRange> Split(long targetSize)
    {
        LtxFrameRange range = default;
        foreach (PageIndexEntry entry in frames.Entries())
        {
            long entryEnd = entry.Offset + entry.Size;
            range = range.PageCount == 0
                ? new LtxFrameRange(entry.Offset, entryEnd, entry.PageNumber, entry.PageNumber, 1)
                : range with { End = entryEnd, LastPage = entry.PageNumber, PageCount = range.PageCount + 1 };
            if (range.End - range.Start >= targetSize)
            {
                yield return range;
                range = default;
            }
        }

        if (range.PageCount != 0)
        {
            yield return range;
        }
    }

    /// <summary>Decodes one page that was fetched by its entry.</summary>
    /// <param name="header">Header of the file.</param>
    /// <param name="entry">The entry of the page.</param>
    /// <param name="frame">The bytes of the file from <see cref="PageIndexEntry.Offset"/> on, exactly <see cref="PageIndexEntry.Size"/>.</param>
    /// <param name="page">Destination, exactly one page.</param>
    /// <param name="file">Name of the file for messages.</param>
    /// <exception cref="LtxException">
    /// Wrong length, another page than asked for (a stale or swapped entry), the end marker, or a damaged payload.
    /// </exception>
    public static void DecodePage(in LtxHeader header, in PageIndexEntry entry, ReadOnlySpan<byte> frame, Span<byte> page, string? file = null)
    {
        var reader = new LtxRangeReader(header, entry.Offset, frame, file);
        if (frame.Length != entry.Size || !reader.ReadPage())
        {
            throw new LtxException(LtxErrorKind.Truncated, $"the index says {entry.Size} bytes, {frame.Length} were read", file, entry.PageNumber, entry.Offset);
        }

        if (reader.PageNumber != entry.PageNumber || reader.FrameSize != entry.Size)
        {
            throw new LtxException(LtxErrorKind.PageIndex, $"the index says {entry.Size} bytes of page {entry.PageNumber}, there are {reader.FrameSize} bytes of page {reader.PageNumber}", file, entry.PageNumber, entry.Offset);
        }

        reader.DecompressTo(page);
    }

    /// <summary>
    /// Makes the final checks of a file whose page frames were all read in parts: the whole is then as verified as by
    /// <see cref="LtxReader"/>.
    /// </summary>
    /// <param name="headerBytes">The header as stored, <see cref="LtxFormat.HeaderSize"/> bytes.</param>
    /// <param name="segment">All frames, joined in file order.</param>
    /// <exception cref="LtxException">The frames are not those of the index, or a checksum differs.</exception>
    public LtxTrailer Verify(ReadOnlySpan<byte> headerBytes, in LtxSegment segment)
    {
        LtxHeader header = LtxHeader.Parse(headerBytes, file);
        var tail = new TailDecoder(header, headerBytes[..LtxFormat.HeaderSize], segment, file);
        tail.Check(listCrc, listLength, parser.NextOffset, end);
        return tail.Trailer;
    }

    /// <summary>Returns the memory.</summary>
    public void Dispose() => frames.Dispose();

    private async ValueTask ReadExactlyAsync(ReadRange read, long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        int count = await read(offset, destination, cancellationToken).ConfigureAwait(false);
        if (count != destination.Length)
        {
            throw new LtxException(LtxErrorKind.Truncated, $"{count} bytes were read where a file of {FileSize} bytes has {destination.Length}; it was replaced or cut", file, offset: offset);
        }
    }

    private void ReadEnd(ReadOnlySpan<byte> tail)
    {
        tail[^EndSize..].CopyTo(end);
        ulong size = BinaryPrimitives.ReadUInt64BigEndian(end);

        // Unsigned and by subtraction: no value of the field can overflow this (upstream trusts it).
        ulong most = (ulong)(FileSize - EndSize - LtxFormat.HeaderSize - LtxFormat.PageHeaderSize);
        if (size < 1 || size > most)
        {
            throw new LtxException(LtxErrorKind.PageIndex, $"the index size field is {size}, a file of {FileSize} bytes has room for 1 to {most}", file, offset: FileSize - EndSize);
        }

        if ((LtxTrailer.Parse(end.AsSpan(LtxFormat.IndexSizeFieldSize)).FileChecksum & LtxFormat.ChecksumFlag) == 0)
        {
            throw new LtxException(LtxErrorKind.TrailerInvalid, "the file checksum must have its highest bit set", file, offset: FileSize - sizeof(ulong));
        }

        listLength = (long)size;
    }

    /// <summary>Reads and parses what lies before the tail that was read first, in bounded pieces.</summary>
    private async ValueTask ReadHeadAsync(ReadRange read, long start, long stop, CancellationToken cancellationToken)
    {
        byte[] chunk = ArrayPool<byte>.Shared.Rent((int)Math.Min(ChunkSize, Math.Max(stop - start, TailSize)));
        try
        {
            while (start < stop)
            {
                Memory<byte> piece = chunk.AsMemory(0, (int)Math.Min(stop - start, chunk.Length));
                await ReadExactlyAsync(read, start, piece, cancellationToken).ConfigureAwait(false);
                Parse(piece.Span, start);
                start += piece.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(chunk);
        }
    }

    private void Parse(ReadOnlySpan<byte> bytes, long position)
    {
        int marker = Math.Min(markerLeft, bytes.Length);
        if (bytes[..marker].ContainsAnyExcept((byte)0))
        {
            throw new LtxException(LtxErrorKind.PageIndex, "there is no end-of-pages marker where the index size field says", file, offset: position);
        }

        markerLeft -= marker;
        bytes = bytes[marker..];
        listCrc = Crc64.Append(listCrc, bytes);
        while (!bytes.IsEmpty)
        {
            if (parser.IsComplete)
            {
                throw new LtxException(LtxErrorKind.PageIndex, $"the index list ends {bytes.Length} bytes before its size says", file, offset: position);
            }

            bytes = bytes[parser.ConsumeEntry(bytes, position, out bool entry)..];
            if (entry)
            {
                frames.Add(parser.Current.PageNumber, (int)parser.Current.Size);
            }
        }
    }

    private void CheckComplete()
    {
        long framesEnd = FileSize - EndSize - listLength - LtxFormat.PageHeaderSize;
        if (!parser.IsComplete || frames.End != framesEnd)
        {
            throw new LtxException(LtxErrorKind.PageIndex, parser.IsComplete
                ? $"the index describes frames up to {frames.End}, the end-of-pages marker is at {framesEnd}"
                : "the index list has no end", file, offset: framesEnd);
        }
    }
}
