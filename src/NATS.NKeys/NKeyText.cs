using System.Buffers.Binary;

namespace NATS.NKeys;

/// <summary>Bytes with a CRC-16/XMODEM behind them (little-endian), as base32 without padding.</summary>
internal static class NKeyText
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    private const int CrcSize = 2;

    public static string Encode(ReadOnlySpan<byte> key)
    {
        byte[] bytes = new byte[key.Length + CrcSize];
        key.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(key.Length), Crc16(key));
        char[] text = new char[((bytes.Length * 8) + 4) / 5];
        for (int i = 0; i < text.Length; i++)
        {
            int bit = i * 5;
            int pair = (bytes[bit / 8] << 8) | (bit / 8 + 1 < bytes.Length ? bytes[(bit / 8) + 1] : 0);
            text[i] = Alphabet[(pair >> (11 - (bit % 8))) & 31];
        }

        return new string(text);
    }

    /// <summary>The bytes without their CRC.</summary>
    /// <exception cref="FormatException">A character of no meaning, or the CRC does not match.</exception>
    public static byte[] Decode(ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[text.Length * 5 / 8];
        int bits = 0;
        int count = 0;
        int length = 0;
        foreach (char letter in text)
        {
            int value = Alphabet.IndexOf(letter, StringComparison.Ordinal);
            if (value < 0)
            {
                throw new FormatException("a NATS key consists of A-Z and 2-7");
            }

            bits = ((bits << 5) | value) & 0xffff;
            count += 5;
            if (count >= 8)
            {
                count -= 8;
                bytes[length++] = (byte)(bits >> count);
            }
        }

        ReadOnlySpan<byte> key = bytes.AsSpan(0, bytes.Length - CrcSize);
        return BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(key.Length)) == Crc16(key) && (bits & ((1 << count) - 1)) == 0
            ? key.ToArray()
            : throw new FormatException("the check sum of a NATS key is wrong: it was not copied completely");
    }

    private static ushort Crc16(ReadOnlySpan<byte> bytes)
    {
        int crc = 0;
        foreach (byte value in bytes)
        {
            crc ^= value << 8;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
            }

            crc &= 0xffff;
        }

        return (ushort)crc;
    }
}
