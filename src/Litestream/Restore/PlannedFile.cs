using System.Buffers;
using System.Collections;
using Litestream.Ltx;
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

    private readonly Lock _gate = new();
    private readonly byte[] _headerBytes;
    private readonly PageIndex _index;
    private byte[]? _content;
    private readonly ResumableReader _reader;
    private BitArray _newest = new(0);
    private LtxSegment[] _segments = [];
    private int _pending;

    private PlannedFile(LtxFileInfo info, ResumableReader reader, byte[] headerBytes, PageIndex index, byte[]? content)
    {
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

    /// <summary>Reads header and page index, of a small file everything.</summary>
    /// <exception cref="LtxException">The file is damaged.</exception>
    internal static async Task<PlannedFile> LoadAsync(
        IReplicaClient client, LtxFileInfo info, TimeProvider time, CancellationToken cancellationToken)
    {
        ResumableReader reader = ResumableReader.ForReplica(client, info, time);
        byte[]? content = null;
        try
        {
            byte[] header = new byte[LtxFormat.HeaderSize];
            ReadRange read = reader.ReadAsync;
            if (info.Size <= WholeFileLimit)
            {
                content = ArrayPool<byte>.Shared.Rent((int)Math.Max(info.Size, LtxFormat.HeaderSize));
                int count = await reader.ReadAsync(0, content.AsMemory(0, (int)info.Size), cancellationToken);
                content.AsSpan(0, Math.Min(count, header.Length)).CopyTo(header);
                byte[] whole = content;
                read = (offset, destination, _) => ValueTask.FromResult(Copy(whole.AsMemory(0, count), offset, destination));
            }
            else
            {
                await reader.ReadAsync(0, header, cancellationToken);
            }

            // Header first: "not an LTX file" says more than a broken index.
            LtxHeader parsed = LtxHeader.Parse(header.AsSpan(0, (int)Math.Min(info.Size, header.Length)), info.Name);
            CheckTransactions(info, parsed);
            PageIndex index = await PageIndex.LoadAsync(info.Size, read, info.Name, cancellationToken);
            return new PlannedFile(info, reader, header, index, content);
        }
        catch
        {
            Return(content);
            throw;
        }
    }

    /// <summary>
    /// Claims the pages of which this file has the newest image and cuts it into parts. To be called newest file first.
    /// </summary>
    /// <param name="claimed">Pages that newer files have.</param>
    /// <param name="commit">Size of the restored database in pages; pages behind it are dropped.</param>
    /// <param name="partSize">Bytes of a part.</param>
    internal List<FilePart> Claim(PageBitmap claimed, uint commit, long partSize)
    {
        _newest = new BitArray(checked((int)_index.PageCount));
        int ordinal = 0;
        foreach (PageIndexEntry entry in _index.Entries)
        {
            _newest[ordinal++] = entry.PageNumber <= commit && claimed.TryClaim(entry.PageNumber);
        }

        List<FilePart> parts = [];
        int first = 0;
        foreach (LtxFrameRange range in _index.Split(_content is null ? partSize : long.MaxValue))
        {
            parts.Add(new FilePart(this, parts.Count, range, first));
            first += (int)range.PageCount;
        }

        _segments = new LtxSegment[parts.Count];
        _pending = parts.Count;
        if (parts.Count == 0)
        {
            Verify();
        }

        return parts;
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

        Verify();
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
internal sealed record FilePart(PlannedFile File, int Number, LtxFrameRange Range, int FirstOrdinal);
