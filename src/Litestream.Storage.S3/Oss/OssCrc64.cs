using Litestream.Storage.Transport;

namespace Litestream.Storage.S3.Oss;

/// <summary>CRC-64 (ECMA-182, reflected) as OSS reports it of what it has stored, in <c>x-oss-hash-crc64ecma</c>.</summary>
internal static class OssCrc64
{
    private static readonly ulong[] Table = CreateTable();

    /// <summary>The checksum of some bytes; of "123456789": 0x995DC9BBDF1939FA.</summary>
    public static ulong Compute(UploadBytes bytes)
    {
        ulong crc = ulong.MaxValue;
        foreach (ReadOnlyMemory<byte> slice in bytes.Slices())
        {
            foreach (byte b in slice.Span)
            {
                crc = Table[(byte)crc ^ b] ^ (crc >> 8);
            }
        }

        return ~crc;
    }

    private static ulong[] CreateTable()
    {
        var table = new ulong[256];
        for (uint i = 0; i < table.Length; i++)
        {
            ulong value = i;
            for (int bit = 0; bit < 8; bit++)
            {
                value = (value & 1) != 0 ? (value >> 1) ^ 0xC96C5795D7870F42 : value >> 1;
            }

            table[i] = value;
        }

        return table;
    }
}
