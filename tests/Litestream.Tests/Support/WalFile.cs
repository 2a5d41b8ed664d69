using System.Buffers.Binary;
using Litestream.Sqlite;

namespace Litestream.Tests.Support;

/// <summary>A WAL file as bytes. Opening and closing it drops nobody's locks, unlike the database and its -shm (traps C1, C2).</summary>
internal static class WalFile
{
    private const int HeaderSize = 32;

    private const int FrameHeaderSize = 24;

    public static WalHeader Header(string path)
    {
        byte[] bytes = Read(path);
        Assert.Equal(WalHeaderStatus.Valid, WalHeader.TryParse(bytes, out WalHeader header));
        return header;
    }

    public static byte[] Read(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Overwrites the file in place, from its begin.</summary>
    public static void Write(string path, byte[] bytes)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        file.Write(bytes);
    }

    /// <summary>
    /// Appends a transaction of one page behind the last valid frame, checksums and all: what a writer leaves that dies between
    /// writing its frames and publishing them in the wal-index.
    /// </summary>
    public static void AppendPhantom(string path, uint pageNumber, byte fill)
    {
        byte[] bytes = Read(path);
        Assert.Equal(WalHeaderStatus.Valid, WalHeader.TryParse(bytes, out WalHeader header));
        int frameSize = FrameHeaderSize + header.PageSize;
        (uint s0, uint s1) = (header.Checksum1, header.Checksum2);
        int offset = HeaderSize;
        uint commit = 0;
        while (offset + frameSize <= bytes.Length && TryAppend(bytes.AsSpan(offset, frameSize), header, ref s0, ref s1))
        {
            commit = Math.Max(commit, BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(offset + 4)));
            offset += frameSize;
        }

        byte[] frame = new byte[frameSize];
        frame.AsSpan(FrameHeaderSize).Fill(fill);
        BinaryPrimitives.WriteUInt32BigEndian(frame, pageNumber);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(4), commit);
        bytes.AsSpan(16, 8).CopyTo(frame.AsSpan(8));
        (s0, s1) = WalChecksum.Append(s0, s1, frame.AsSpan(0, 8), header.BigEndianChecksum);
        (s0, s1) = WalChecksum.Append(s0, s1, frame.AsSpan(FrameHeaderSize), header.BigEndianChecksum);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(16), s0);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(20), s1);
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        file.Position = offset;
        file.Write(frame);
    }

    private static bool TryAppend(ReadOnlySpan<byte> frame, in WalHeader header, ref uint s0, ref uint s1)
    {
        (uint a, uint b) = WalChecksum.Append(s0, s1, frame[..8], header.BigEndianChecksum);
        (a, b) = WalChecksum.Append(a, b, frame[FrameHeaderSize..], header.BigEndianChecksum);
        if (BinaryPrimitives.ReadUInt32BigEndian(frame[16..]) != a || BinaryPrimitives.ReadUInt32BigEndian(frame[20..]) != b)
        {
            return false;
        }

        (s0, s1) = (a, b);
        return true;
    }
}
