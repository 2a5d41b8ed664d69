using System.Buffers.Binary;
using Litestream.Ltx;

namespace Litestream.TestKit.Replicas;

/// <summary>
/// Byte sequences with a valid LTX header and arbitrary content behind it: all that a replica client looks at. For files that a
/// reader accepts use the LTX writer.
/// </summary>
public static class LtxSample
{
    /// <summary>Default time of a sample, whole milliseconds that are not whole seconds.</summary>
    public static DateTimeOffset Time { get; } = new(2024, 1, 2, 3, 4, 5, 678, TimeSpan.Zero);

    /// <summary>Makes a sample; equal arguments give equal bytes.</summary>
    /// <param name="min">First transaction.</param>
    /// <param name="max">Last transaction.</param>
    /// <param name="size">Bytes in all, at least 116 (header and trailer).</param>
    /// <param name="time">Header time; null = <see cref="Time"/>.</param>
    /// <param name="seed">Another seed gives other content of the same size.</param>
    public static byte[] Create(ulong min, ulong max, int size = 300, DateTimeOffset? time = null, int seed = 0)
    {
        byte[] bytes = new byte[size];
        new Random(HashCode(min, max, seed)).NextBytes(bytes.AsSpan(100));
        Span<byte> header = bytes.AsSpan(0, 100);
        "LTX1"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32BigEndian(header[4..], 2);
        BinaryPrimitives.WriteUInt32BigEndian(header[8..], 4096);
        BinaryPrimitives.WriteUInt32BigEndian(header[12..], 1);
        BinaryPrimitives.WriteUInt64BigEndian(header[16..], min);
        BinaryPrimitives.WriteUInt64BigEndian(header[24..], max);
        BinaryPrimitives.WriteInt64BigEndian(header[32..], (time ?? Time).ToUnixTimeMilliseconds());
        return bytes;
    }

    /// <summary>The name of a range, e.g. for paths in expectations.</summary>
    public static string Name(ulong min, ulong max) => LtxFileName.Format(new Txid(min), new Txid(max));

    private static int HashCode(ulong min, ulong max, int seed) => unchecked((int)((min * 31) + (max * 7)) + seed);
}
