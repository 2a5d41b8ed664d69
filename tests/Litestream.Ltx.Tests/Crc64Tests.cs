using System.Text;
using CsCheck;

namespace Litestream.Ltx.Tests;

public sealed class Crc64Tests
{
    public static TheoryData<byte[], ulong> Vectors => new()
    {
        { [], 0 },
        { [0], 0x6f90000000000000 },
        { "a"u8.ToArray(), 0x3420000000000000 },
        { "abc"u8.ToArray(), 0x3776c42000000000 },
        { "123456789"u8.ToArray(), 0xb90956c775a41001 },
        { "LTX1"u8.ToArray(), 0x43350e58d0000000 },
        { Encoding.ASCII.GetBytes("SQLite format 3\0"), 0x91c6c461b2cc75df },
        { Enumerable.Range(0, 256).Select(i => (byte)i).ToArray(), 0x89f7eaa7b75c07dd },
        { new byte[512], 0x7cd9900000000000 },
        { new byte[4096], 0x492fc33c906fff90 },
        { TestFiles.Filled(8, 0xff), 0xffffffffffffffff },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Append_GivesTheVectorsOfTheSpecification(byte[] data, ulong expected)
    {
        Assert.Equal(expected, Crc64.Append(0, data));
        Assert.Equal(expected, ~Crc64.AppendScalar(ulong.MaxValue, data));
        Assert.Equal(expected, BitByBit(data));
    }

    // Without this a processor without carry-less multiplication would write files that others reject, or the reverse.
    [Fact]
    public void AllPaths_AgreeOnAnyLengthAndStart()
    {
        byte[] data = TestFiles.Random(3000, seed: 1);
        for (int length = 0; length < 2900; length += length < 1200 ? 1 : 37)
        {
            ReadOnlySpan<byte> part = data.AsSpan(length % 61, length);
            ulong crc = Crc64.Append(0x1234567890abcdef, part);
            Assert.Equal(~Crc64.AppendScalar(~0x1234567890abcdefUL, part), crc);
            if (Crc64Folding.IsSupported && length >= Crc64Folding.MinLength)
            {
                Assert.Equal(crc, ~Crc64Folding.AppendNarrow(~0x1234567890abcdefUL, part));
            }
        }
    }

    [Fact]
    public void Combine_EqualsHashingTheWhole() =>
        Gen.Select(Gen.Byte.Array[0, 600], Gen.Byte.Array[0, 600]).Sample((a, b) =>
            Crc64.Combine(Crc64.Append(0, a), Crc64.Append(0, b), b.Length) == BitByBit([.. a, .. b]));

    [Fact]
    public void Combine_ReachesBeyond4GiB()
    {
        // 2^33 + 5 zero bytes, by doubling; stepwise combination must give the same as one step.
        ulong zeros = Crc64.Append(0, new byte[1]);
        ulong doubled = zeros;
        for (int i = 0; i < 33; i++)
        {
            doubled = Crc64.Combine(doubled, doubled, 1L << i);
        }

        ulong five = Crc64.Append(0, new byte[5]);
        Assert.Equal(Crc64.Combine(Crc64.Combine(zeros, doubled, 1L << 33), five, 5), Crc64.Combine(zeros, Crc64.Combine(doubled, five, 5), (1L << 33) + 5));
    }

    [Fact]
    public void CarrylessMultiply_BothWaysAgree() =>
        Gen.Select(Gen.ULong, Gen.ULong).Sample((a, b) =>
            !Crc64Folding.IsSupported || Crc64.CarrylessMultiplyScalar(a, b) == Crc64Folding.CarrylessMultiply(a, b));

    // The definition, one bit at a time.
    private static ulong BitByBit(byte[] data)
    {
        ulong crc = ulong.MaxValue;
        foreach (byte b in data)
        {
            crc ^= b;
            for (int i = 0; i < 8; i++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * 0xD800000000000000);
            }
        }

        return ~crc;
    }
}
