using System.Buffers.Binary;
using System.Numerics;

namespace Litestream.Storage.Gcs;

/// <summary>CRC-32C (Castagnoli), the checksum that the store computes of every object; the processor has an instruction for it.</summary>
internal struct Crc32C
{
    private uint inverted;

    /// <summary>Adds the next bytes.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        uint crc = ~inverted;
        while (bytes.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }

        foreach (byte one in bytes)
        {
            crc = BitOperations.Crc32C(crc, one);
        }

        inverted = ~crc;
    }

    /// <summary>As the API writes it: base64 of the four bytes, big-endian.</summary>
    public readonly string ToBase64()
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, inverted);
        return Convert.ToBase64String(bytes);
    }
}
