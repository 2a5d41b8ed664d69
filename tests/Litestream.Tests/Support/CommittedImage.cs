using System.Buffers.Binary;
using System.Diagnostics;
using Litestream.Sqlite;

namespace Litestream.Tests.Support;

/// <summary>
/// The committed content of a database file and its WAL, page by page, by a second reading of the WAL rules. The files are copied by
/// another process first: opening and closing the database in this one would drop the locks of the replicator under test (trap C1).
/// </summary>
internal static class CommittedImage
{
    public static byte[] Of(string databasePath)
    {
        string copy = Directory.CreateTempSubdirectory("image-").FullName;
        try
        {
            using (Process cp = Process.Start("cp", [databasePath, databasePath + "-wal", copy]))
            {
                cp.WaitForExit();
            }

            string name = Path.GetFileName(databasePath);
            byte[] image = File.ReadAllBytes(Path.Combine(copy, name));
            string wal = Path.Combine(copy, name + "-wal");
            return File.Exists(wal) ? Overlay(image, File.ReadAllBytes(wal)) : image;
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
        }
    }

    private static byte[] Overlay(byte[] image, byte[] wal)
    {
        if (WalHeader.TryParse(wal, out WalHeader header) != WalHeaderStatus.Valid)
        {
            return image;
        }

        var pages = new Dictionary<uint, int>();
        var pending = new Dictionary<uint, int>();
        uint commit = 0;
        (uint s0, uint s1) = (header.Checksum1, header.Checksum2);
        for (int at = 32; at + 24 + header.PageSize <= wal.Length; at += 24 + header.PageSize)
        {
            ReadOnlySpan<byte> frame = wal.AsSpan(at, 24 + header.PageSize);
            (s0, s1) = WalChecksum.Append(s0, s1, frame[..8], header.BigEndianChecksum);
            (s0, s1) = WalChecksum.Append(s0, s1, frame[24..], header.BigEndianChecksum);
            if (U32(frame, 8) != header.Salt1 || U32(frame, 12) != header.Salt2 || U32(frame, 16) != s0 || U32(frame, 20) != s1)
            {
                break;
            }

            pending[U32(frame, 0)] = at + 24;
            if (U32(frame, 4) is > 0 and uint size)
            {
                commit = size;
                foreach ((uint page, int offset) in pending)
                {
                    pages[page] = offset;
                }

                pending.Clear();
            }
        }

        if (commit == 0)
        {
            return image;
        }

        byte[] result = new byte[(long)commit * header.PageSize];
        image.AsSpan(0, Math.Min(image.Length, result.Length)).CopyTo(result);
        foreach ((uint page, int offset) in pages.Where(p => p.Key <= commit))
        {
            wal.AsSpan(offset, header.PageSize).CopyTo(result.AsSpan((int)((page - 1) * (long)header.PageSize)));
        }

        return result;
    }

    private static uint U32(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32BigEndian(bytes[offset..]);
}
