using System.Buffers;
using System.Collections;
using Litestream.Ltx;
using Litestream.Restore.Delta;
using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>
/// One file of a plan while it is restored: header, page index, which of its pages are the newest, and the checks of the parts that
/// were decoded so far. Small files are held whole, large ones are read range by range.
/// </summary>
internal sealed class PlannedFile : IDisposable
{
    /// <summary>Files up to this size are read with one request.</summary>
    internal const int WholeFileLimit = 256 << 10;

    /// <summary>What reading a page index brings at least: smaller files come whole with it.</summary>
    internal const int IndexReadSize = 32 << 10;

    /// <summary>A file of which at least 5/6 are wanted is read whole, so that its checksum can be checked (decision D1: 1.2 times).</summary>
    private const int WholeParts = 6;

    /// <summary>Between wanted frames, up to an eighth of their bytes is read along to save requests.</summary>
    private const int GapShare = 8;

    private readonly Lock _gate = new();
    private readonly byte[] _headerBytes;
    private readonly PageIndex _index;
    private byte[]? _content;
    private readonly ResumableReader _reader;
    private BitArray _newest = new(0);
    private LtxSegment[] _segments = [];
    private int _pending;

    private PlannedFile(LtxFileInfo info, ResumableReader reader, byte[] headerBytes, PageIndex index, byte[]? content, long bytesLoaded)
    {
        BytesLoaded = bytesLoaded;
        Info = info;
        _reader = reader;
        _headerBytes = headerBytes;
        _index = index;
        _content = content;
        Header = LtxHeader.Parse(headerBytes, info.Name);
    }

    /// <summary>The file as listed.</summary>
    internal LtxFileInfo Info { get; }

    /// <summary>Its header.</summary>
    internal LtxHeader Header { get; }

    /// <summary>Bytes that loading it read.</summary>
    internal long BytesLoaded { get; }

    /// <summary>False if only some of its frames are read, so that the checksum of the file cannot be checked.</summary>
    internal bool IsWhole { get; private set; } = true;

    /// <summary>Bytes of the file are in memory.</summary>
    internal bool IsInMemory => _content is not null;

    /// <summary>The checksum in its trailer.</summary>
    internal ulong Checksum => _index.FileChecksum;

    /// <summary>Reads header and page index, of a small file everything.</summary>
    /// <param name="client">The replica.</param>
    /// <param name="info">The file as listed.</param>
    /// <param name="time">Clock of retry waits.</param>
    /// <param name="wholeFileLimit">Up to this size in bytes the file is read with one request.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="LtxException">The file is damaged.</exception>
    internal static async Task<PlannedFile> LoadAsync(
        IReplicaClient client, LtxFileInfo info, TimeProvider time, int wholeFileLimit, CancellationToken cancellationToken)
    {
        long loaded = 0;
        ResumableReader reader = ResumableReader.ForReplica(client, info, time);
        byte[]? content = null;
        try
        {
            byte[] header = new byte[LtxFormat.HeaderSize];
            ReadRange read = async (offset, destination, token) =>
            {
                int count = await reader.ReadAsync(offset, destination, token);
                loaded += count;
                return count;
            };
            if (info.Size <= wholeFileLimit)
            {
                content = ArrayPool<byte>.Shared.Rent((int)Math.Max(info.Size, LtxFormat.HeaderSize));
                int count = await read(0, content.AsMemory(0, (int)info.Size), cancellationToken);
                content.AsSpan(0, Math.Min(count, header.Length)).CopyTo(header);
                byte[] whole = content;
                read = (offset, destination, _) => ValueTask.FromResult(Copy(whole.AsMemory(0, count), offset, destination));
            }
            else
            {
                await read(0, header, cancellationToken);
            }

            // Header first: "not an LTX file" says more than a broken index.
            LtxHeader parsed = LtxHeader.Parse(header.AsSpan(0, (int)Math.Min(info.Size, header.Length)), info.Name);
            CheckTransactions(info, parsed);
            PageIndex index = await PageIndex.LoadAsync(info.Size, read, info.Name, cancellationToken);
            return new PlannedFile(info, reader, header, index, content, loaded);
        }
        catch
        {
            Return(content);
            throw;
        }
    }

    /// <summary>Marks every page of the file.</summary>
    internal void AddPagesTo(ChangedPages pages)
    {
        pages.EndAt(Header.Commit);
        foreach (PageIndexEntry entry in _index.Entries)
        {
            pages.Add(entry.PageNumber);
        }
    }

    /// <summary>
    /// Claims the pages of which this file has the newest image and cuts it into parts. To be called newest file first.
    /// </summary>
    /// <param name="claimed">Pages that newer files have.</param>
    /// <param name="commit">Size of the restored database in pages; pages behind it are dropped.</param>
    /// <param name="partSize">Bytes of a part.</param>
    /// <param name="mayBePartial">Read only the claimed pages if they are a small share of the file.</param>
    internal List<FilePart> Claim(PageBitmap claimed, uint commit, long partSize, bool mayBePartial)
    {
        _newest = new BitArray(checked((int)_index.PageCount));
        int ordinal = 0;
        long wanted = 0;
        foreach (PageIndexEntry entry in _index.Entries)
        {
            bool newest = _newest[ordinal++] = entry.PageNumber <= commit && claimed.TryClaim(entry.PageNumber);
            wanted += newest ? entry.Size : 0;
        }

        IsWhole = !mayBePartial || _content is not null || wanted >= (_index.FramesEnd - LtxFormat.HeaderSize) / WholeParts * (WholeParts - 1);
        List<FilePart> parts = IsWhole ? SplitAll(partSize) : SplitWanted(partSize);
        _segments = new LtxSegment[parts.Count];
        _pending = parts.Count;
        if (parts.Count == 0 && IsWhole)
        {
            Verify();
        }

        return parts;
    }

    private List<FilePart> SplitAll(long partSize)
    {
        List<FilePart> parts = [];
        int first = 0;
        foreach (LtxFrameRange range in _index.Split(_content is null ? partSize : long.MaxValue))
        {
            parts.Add(new FilePart(this, parts.Count, range, first, null));
            first += (int)range.PageCount;
        }

        return parts;
    }

    /// <summary>Runs of claimed frames, with little else between them.</summary>
    private List<FilePart> SplitWanted(long partSize)
    {
        List<FilePart> parts = [];
        List<uint> pages = [];
        int kept = 0; // Pages up to the last claimed one; what follows it is read only if another one is near.
        LtxFrameRange run = default;
        int first = 0;
        long wanted = 0;
        int ordinal = -1;
        foreach (PageIndexEntry entry in _index.Entries)
        {
            bool isWanted = _newest[++ordinal];
            long end = entry.Offset + entry.Size;
            long gap = (isWanted ? entry.Offset : end) - run.End;
            if (kept > 0 && (gap > wanted / GapShare || run.End - run.Start >= partSize))
            {
                Add();
            }

            if (isWanted)
            {
                (run, first) = kept == 0 ? (new LtxFrameRange(entry.Offset, end, entry.PageNumber, entry.PageNumber, 0), ordinal) : (run with { End = end, LastPage = entry.PageNumber }, first);
                pages.Add(entry.PageNumber);
                kept = pages.Count;
                wanted += entry.Size;
            }
            else if (kept > 0)
            {
                pages.Add(entry.PageNumber);
            }
        }

        Add();
        return parts;

        void Add()
        {
            if (kept > 0)
            {
                parts.Add(new FilePart(this, parts.Count, run with { PageCount = kept }, first, [.. pages.Take(kept)]));
            }

            pages.Clear();
            (kept, wanted) = (0, 0);
        }
    }

    /// <summary>Whether this file has the newest image of its n-th page.</summary>
    internal bool IsNewest(int ordinal) => _newest[ordinal];

    /// <summary>The bytes of a part: a slice of the whole file, or read into the buffer.</summary>
    internal async ValueTask<ReadOnlyMemory<byte>> ReadAsync(LtxFrameRange range, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int size = (int)(range.End - range.Start);
        if (_content is not null)
        {
            return _content.AsMemory((int)range.Start, size);
        }

        int count = await _reader.ReadAsync(range.Start, buffer[..size], cancellationToken);
        return buffer[..count];
    }

    /// <summary>Takes the checks of a decoded part; with the last one the whole file is verified.</summary>
    /// <returns>True when the file is complete and correct; nobody needs it any more.</returns>
    /// <exception cref="LtxException">The file is damaged.</exception>
    internal bool Complete(int part, in LtxSegment segment)
    {
        lock (_gate)
        {
            _segments[part] = segment;
            if (--_pending > 0)
            {
                return false;
            }
        }

        if (IsWhole)
        {
            Verify();
        }

        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _index.Dispose();
        Return(Interlocked.Exchange(ref _content, null));
    }

    private static int Copy(ReadOnlyMemory<byte> source, long offset, Memory<byte> destination)
    {
        ReadOnlyMemory<byte> available = source[(int)Math.Min(offset, source.Length)..];
        int count = Math.Min(available.Length, destination.Length);
        available[..count].CopyTo(destination);
        return count;
    }

    private static void CheckTransactions(in LtxFileInfo info, in LtxHeader header)
    {
        if (header.MinTxid != info.MinTxid || header.MaxTxid != info.MaxTxid)
        {
            throw new LtxException(
                LtxErrorKind.HeaderInvalid, $"the header says transactions {header.MinTxid} to {header.MaxTxid}: another file has this name", info.Name);
        }
    }

    private static void Return(byte[]? content)
    {
        if (content is not null)
        {
            ArrayPool<byte>.Shared.Return(content);
        }
    }

    private void Verify()
    {
        var whole = new LtxSegment(LtxFormat.HeaderSize);
        foreach (LtxSegment segment in _segments)
        {
            whole.Join(Header, segment, Info.Name);
        }

        _index.Verify(_headerBytes, whole);
    }
}

/// <summary>Neighbouring frames of a file: one piece of work.</summary>
/// <param name="File">The file.</param>
/// <param name="Number">Position of the part in the file, from 0.</param>
/// <param name="Range">Where the frames are.</param>
/// <param name="FirstOrdinal">Position in the file of its first page, from 0.</param>
/// <param name="Pages">The pages that the index names, where no checksum of the whole file will prove it; null = the checksum will.</param>
internal sealed record FilePart(PlannedFile File, int Number, LtxFrameRange Range, int FirstOrdinal, uint[]? Pages);
