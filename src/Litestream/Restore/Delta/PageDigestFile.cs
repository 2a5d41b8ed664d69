using System.Buffers;
using System.Buffers.Binary;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;

namespace Litestream.Restore.Delta;

/// <summary>
/// The side file <c>&lt;database&gt;-pages</c> of a restored database (decision D1): the transaction it holds, a CRC-64 of every page,
/// and some files of the replica it came from. The digests alone decide what a later delta restore takes over, so a side file that is
/// older or newer than its database costs downloads, never wrong pages.
/// </summary>
/// <remarks>
/// All numbers big-endian: "LSPG", version 1, page size, page count (32 bits each), TXID (64), number of anchors (32), 0 (32); each
/// anchor level (32), 0 (32), MinTXID, MaxTXID, size, checksum (64 each); a CRC-64 for each page; the CRC-64 of everything before.
/// A digest of 0 means unknown: the page is always fetched.
/// </remarks>
internal sealed class PageDigestFile : IDisposable
{
    /// <summary>Greatest number of anchors that are kept.</summary>
    internal const int MaxAnchors = 16;

    private const uint Magic = 0x4C535047;
    private const uint Version = 1;
    private const int HeaderSize = 32;
    private const int AnchorSize = 40;
    private const int DigestSize = sizeof(ulong);
    private const int BufferSize = 1 << 20;

    private readonly IFile _file;
    private readonly long _digests;

    private PageDigestFile(IFile file, int pageSize, uint pageCount, Txid txid, IReadOnlyList<ReplicaAnchor> anchors)
    {
        _file = file;
        (PageSize, PageCount, Txid, Anchors) = (pageSize, pageCount, txid, anchors);
        _digests = HeaderSize + (anchors.Count * AnchorSize);
    }

    /// <summary>Bytes of a page.</summary>
    internal int PageSize { get; }

    /// <summary>Number of pages.</summary>
    internal uint PageCount { get; }

    /// <summary>The transaction that the database held when the digests were made.</summary>
    internal Txid Txid { get; }

    /// <summary>Files it was made from.</summary>
    internal IReadOnlyList<ReplicaAnchor> Anchors { get; }

    /// <summary>Path of the side file of a database.</summary>
    internal static string PathOf(string databasePath) => databasePath + "-pages";

    /// <summary>Opens and checks the side file of a database.</summary>
    /// <returns>Null if there is none, or it is damaged.</returns>
    internal static PageDigestFile? Open(IFileSystem files, string databasePath, out string problem)
    {
        string path = PathOf(databasePath);
        problem = $"there is no {path}";
        if (files.Stat(path) is not { Kind: FileKind.Regular })
        {
            return null;
        }

        IFile file = files.OpenRead(path);
        try
        {
            PageDigestFile? digests = Parse(file);
            if (digests is not null)
            {
                return digests;
            }
        }
        catch
        {
            file.Dispose();
            throw;
        }

        file.Dispose();
        problem = $"{path} is damaged";
        return null;
    }

    /// <summary>Reads the pages of a complete, durable database that nobody changes and replaces its side file durably.</summary>
    /// <param name="files">Where the database is.</param>
    /// <param name="databasePath">Absolute path of the database.</param>
    /// <param name="pageSize">Bytes of a page.</param>
    /// <param name="txid">The transaction that the database holds.</param>
    /// <param name="anchors">Files of the replica it was made from; at most <see cref="MaxAnchors"/> are kept.</param>
    /// <param name="isFirstPageChanged">The database header was changed locally, as by following: the first page is never taken over.</param>
    internal static void Write(
        IFileSystem files, string databasePath, int pageSize, Txid txid, IReadOnlyList<ReplicaAnchor> anchors, bool isFirstPageChanged = false)
    {
        string path = PathOf(databasePath);
        string temporary = path + ".tmp";
        try
        {
            using (IFile database = files.OpenRead(databasePath))
            using (IFile output = files.Create(temporary, files.Stat(databasePath)?.Ownership))
            {
                Write(database, output, pageSize, txid, [.. anchors.Take(MaxAnchors)], isFirstPageChanged);
                output.Sync();
            }

            files.Rename(temporary, path);
            files.SyncDirectory(Path.GetDirectoryName(path)!);
        }
        catch
        {
            files.TryDelete(temporary);
            throw;
        }
    }

    /// <summary>Digests of neighbouring pages; 0 = unknown.</summary>
    /// <param name="firstPage">The first, from 1.</param>
    /// <param name="digests">As many as wanted, none behind <see cref="PageCount"/>.</param>
    internal void Read(uint firstPage, Span<ulong> digests)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(digests.Length * DigestSize);
        try
        {
            Span<byte> bytes = buffer.AsSpan(0, digests.Length * DigestSize);
            ReadExactly(_file, bytes, _digests + ((firstPage - 1L) * DigestSize));
            for (int i = 0; i < digests.Length; i++)
            {
                digests[i] = BinaryPrimitives.ReadUInt64BigEndian(bytes[(i * DigestSize)..]);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static PageDigestFile? Parse(IFile file)
    {
        byte[] head = new byte[HeaderSize + (MaxAnchors * AnchorSize)];
        int length = (int)Math.Min(file.Length, head.Length);
        ReadExactly(file, head.AsSpan(0, length), 0);
        uint anchors = Number(head, 24);
        long pages = Number(head, 12);
        if (Number(head, 0) != Magic || Number(head, 4) != Version || anchors > MaxAnchors || !LtxFormat.IsValidPageSize((int)Math.Min(Number(head, 8), int.MaxValue))
            || file.Length != HeaderSize + (anchors * AnchorSize) + ((pages + 1) * DigestSize) || !IsIntact(file))
        {
            return null;
        }

        ReplicaAnchor[] list = new ReplicaAnchor[anchors];
        for (int i = 0; i < list.Length; i++)
        {
            ReadOnlySpan<byte> anchor = head.AsSpan(HeaderSize + (i * AnchorSize), AnchorSize);
            list[i] = new ReplicaAnchor(
                new LtxFileInfo((int)Number(anchor, 0), new Txid(Long(anchor, 8)), new Txid(Long(anchor, 16)), (long)Long(anchor, 24), default), Long(anchor, 32));
        }

        return new PageDigestFile(file, (int)Number(head, 8), (uint)pages, new Txid(Long(head, 16)), list);
    }

    private static void Write(
        IFile database, IFile output, int pageSize, Txid txid, ReplicaAnchor[] anchors, bool isFirstPageChanged)
    {
        uint pages = checked((uint)(database.Length / pageSize));
        var writer = new ArrayBufferWriter<byte>(BufferSize);
        Put(writer, Magic);
        Put(writer, Version);
        Put(writer, (uint)pageSize);
        Put(writer, pages);
        PutLong(writer, txid.Value);
        Put(writer, (uint)anchors.Length);
        Put(writer, 0);
        foreach ((LtxFileInfo file, ulong checksum) in anchors)
        {
            Put(writer, (uint)file.Level);
            Put(writer, 0);
            PutLong(writer, file.MinTxid.Value);
            PutLong(writer, file.MaxTxid.Value);
            PutLong(writer, (ulong)file.Size);
            PutLong(writer, checksum);
        }

        ulong crc = 0;
        long at = 0;
        int perRead = BufferSize / pageSize;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(perRead * pageSize);
        try
        {
            for (long page = 0; page < pages; page += perRead)
            {
                int count = (int)Math.Min(perRead, pages - page);
                ReadExactly(database, buffer.AsSpan(0, count * pageSize), page * pageSize);
                for (int i = 0; i < count; i++)
                {
                    PutLong(writer, page + i == 0 && isFirstPageChanged ? 0 : Crc64.Append(0, buffer.AsSpan(i * pageSize, pageSize)));
                }

                Flush();
            }

            Flush();
            PutLong(writer, crc);
            output.Write(writer.WrittenSpan, at);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        void Flush()
        {
            crc = Crc64.Append(crc, writer.WrittenSpan);
            output.Write(writer.WrittenSpan, at);
            at += writer.WrittenCount;
            writer.ResetWrittenCount();
        }
    }

    private static bool IsIntact(IFile file)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            ulong crc = 0;
            long end = file.Length - DigestSize;
            for (long at = 0; at < end;)
            {
                Span<byte> part = buffer.AsSpan(0, (int)Math.Min(BufferSize, end - at));
                ReadExactly(file, part, at);
                crc = Crc64.Append(crc, part);
                at += part.Length;
            }

            ReadExactly(file, buffer.AsSpan(0, DigestSize), end);
            return Long(buffer, 0) == crc;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void ReadExactly(IFile file, Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            int count = file.Read(destination, offset);
            if (count == 0)
            {
                throw new EndOfStreamException($"{file.Path} became shorter while it was read, at offset {offset}");
            }

            destination = destination[count..];
            offset += count;
        }
    }

    private static uint Number(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);

    private static ulong Long(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64BigEndian(bytes[at..]);

    private static void Put(ArrayBufferWriter<byte> writer, uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(writer.GetSpan(sizeof(uint)), value);
        writer.Advance(sizeof(uint));
    }

    private static void PutLong(ArrayBufferWriter<byte> writer, ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(writer.GetSpan(sizeof(ulong)), value);
        writer.Advance(sizeof(ulong));
    }
}
