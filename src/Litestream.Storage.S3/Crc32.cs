namespace Litestream.Storage.S3;

/// <summary>CRC-32 (ISO-HDLC, the one of zip) of small bodies: the one checksum that look-alikes are sent (backends §4.2).</summary>
internal static class Crc32
{
    private const uint Polynomial = 0xEDB88320;

    /// <summary>The checksum, big-endian, in base64: value of <c>x-amz-checksum-crc32</c>.</summary>
    public static string Base64(ReadOnlySpan<byte> bytes)
    {
        Span<byte> value = stackalloc byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(value, Compute(bytes));
        return Convert.ToBase64String(value);
    }

    internal static uint Compute(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ (Polynomial & (0 - (crc & 1)));
            }
        }

        return ~crc;
    }
}
