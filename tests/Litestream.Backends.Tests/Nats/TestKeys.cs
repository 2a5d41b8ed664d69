using NATS.NKeys;

namespace Litestream.Backends.Tests.Nats;

/// <summary>Text forms of NATS keys, written for the tests apart from the product's code: bit by bit and with a table-free CRC.</summary>
internal static class TestKeys
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    /// <summary>The seed of a user.</summary>
    public static string Seed(byte[] raw) => Encode([0x90 | (0xa0 >> 5), (0xa0 & 31) << 3, .. raw]);

    /// <summary>The public key of a seed.</summary>
    public static string PublicKey(string seed)
    {
        using KeyPair pair = KeyPair.FromSeed(seed);
        return pair.GetPublicKey();
    }

    public static string Encode(byte[] key)
    {
        int crc = 0;
        foreach (byte value in key)
        {
            int x = ((crc >> 8) ^ value) & 0xff;
            x ^= x >> 4;
            crc = ((crc << 8) ^ (x << 12) ^ (x << 5) ^ x) & 0xffff;
        }

        string bits = string.Concat(key.Append((byte)crc).Append((byte)(crc >> 8)).Select(value => Convert.ToString(value, 2).PadLeft(8, '0')));
        bits = bits.PadRight((bits.Length + 4) / 5 * 5, '0');
        return string.Concat(Enumerable.Range(0, bits.Length / 5).Select(i => Alphabet[Convert.ToInt32(bits.Substring(i * 5, 5), 2)]));
    }

    public static byte[] Decode(string text)
    {
        string bits = string.Concat(text.Select(letter => Convert.ToString(Alphabet.IndexOf(letter, StringComparison.Ordinal), 2).PadLeft(5, '0')));
        return [.. Enumerable.Range(0, bits.Length / 8).Select(i => Convert.ToByte(bits.Substring(i * 8, 8), 2))];
    }
}
