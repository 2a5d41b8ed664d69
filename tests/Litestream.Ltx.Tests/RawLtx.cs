using System.Buffers.Binary;

namespace Litestream.Ltx.Tests;

/// <summary>
/// Composes files byte by byte, consistent checksums included, so that one thing can be wrong on purpose. Also the only writer of
/// legacy frames.
/// </summary>
internal sealed class RawLtx(LtxHeader header)
{
    private readonly List<byte> body = [];
    private readonly List<byte> hashed = [];
    private readonly List<PageIndexEntry> frames = [];

    internal byte[] Reserved { get; init; } = new byte[20];

    /// <summary>Replaces the index entries that describe the frames.</summary>
    internal List<PageIndexEntry> Index => frames;

    internal ulong? IndexSize { get; init; }

    internal ulong PostApply { get; init; }

    internal byte[] AfterTrailer { get; init; } = [];

    /// <summary>A block frame; by default the payload is the page compressed.</summary>
    internal RawLtx Block(uint pageNumber, byte[] page, byte[]? payload = null, uint? sizeField = null, ushort flags = 1)
    {
        payload ??= Compress(page);
        byte[] frameHeader = [.. PageHeader(pageNumber, flags), .. BigEndian(sizeField ?? (uint)payload.Length)];
        return Frame(pageNumber, frameHeader, payload, page);
    }

    /// <summary>A legacy frame; stored when the page does not shrink, as LZ4 frame writers do.</summary>
    internal RawLtx Legacy(uint pageNumber, byte[] page)
    {
        byte[] block = Compress(page);
        bool stored = block.Length >= page.Length;
        byte[] data = stored ? page : block;
        byte[] payload =
        [
            0x04, 0x22, 0x4D, 0x18, 0x64, 0x40, 0xA7,
            .. BitConverter.GetBytes((uint)data.Length | (stored ? 1u << 31 : 0)),
            .. data,
            0, 0, 0, 0,
            .. BitConverter.GetBytes(XxHash32.Hash(page)),
        ];
        return Frame(pageNumber, PageHeader(pageNumber, 0), payload, page);
    }

    internal byte[] ToArray()
    {
        var start = new byte[LtxFormat.HeaderSize];
        header.WriteTo(start);
        Reserved.CopyTo(start, 80);
        var list = new MemoryStream();
        Span<byte> entry = stackalloc byte[30];
        foreach (PageIndexEntry frame in frames)
        {
            list.Write(entry[..LtxSegment.WriteIndexEntry(entry, frame.PageNumber, frame.Offset, (int)frame.Size)]);
        }

        list.WriteByte(0);
        byte[] tail = [0, 0, 0, 0, 0, 0, .. list.ToArray(), .. BigEndian(IndexSize ?? (ulong)list.Length), .. BigEndian(PostApply)];
        ulong checksum = LtxFormat.ChecksumFlag | Crc64.Append(0, [.. start, .. hashed, .. tail]);
        return [.. start, .. body, .. tail, .. BigEndian(checksum), .. AfterTrailer];
    }

    internal static byte[] Compress(byte[] page)
    {
        var block = new byte[LtxFormat.MaxBlockSize(page.Length)];
        return block[..LtxBlock.Compress(page, block)];
    }

    private static byte[] BigEndian(uint value) => [.. BitConverter.GetBytes(BinaryPrimitives.ReverseEndianness(value))];

    private static byte[] BigEndian(ulong value) => [.. BitConverter.GetBytes(BinaryPrimitives.ReverseEndianness(value))];

    private static byte[] PageHeader(uint pageNumber, ushort flags) => [.. BigEndian(pageNumber), (byte)(flags >> 8), (byte)flags];

    private RawLtx Frame(uint pageNumber, byte[] frameHeader, byte[] payload, byte[] page)
    {
        long offset = LtxFormat.HeaderSize + body.Count;
        body.AddRange([.. frameHeader, .. payload]);
        hashed.AddRange([.. frameHeader, .. page]);
        frames.Add(new PageIndexEntry(pageNumber, offset, frameHeader.Length + payload.Length));
        return this;
    }
}
