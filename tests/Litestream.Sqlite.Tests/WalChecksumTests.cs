using System.Buffers.Binary;
using CsCheck;
using Xunit;

namespace Litestream.Sqlite.Tests;

/// <summary>The vectors of replication §5. A wrong checksum accepts frames that never were, or ends the WAL too early.</summary>
public class WalChecksumTests
{
    [Theory]
    [InlineData(0x377f0682u, 0xd5cb0313u, 0x8fa4dab8u, 0xb4637aceu, 0x11b13cddu, 0x30aad6e8u, 0x94bc304du)]
    [InlineData(0x377f0683u, 0x1604cad8u, 0xbcdda493u, 0x76925877u, 0x6e49533au, 0x9faa6313u, 0x79c0bf63u)]
    public void Trap_C7_Vectors_in_both_byte_orders(uint magic, uint h0, uint h1, uint a0, uint a1, uint b0, uint b1)
    {
        byte[] header = Header(magic, pageSize: 512, sequence: 0, salt1: 1, salt2: 2);
        bool bigEndian = magic == WalFormat.MagicBigEndian;
        (uint s0, uint s1) = WalChecksum.Append(0, 0, header.AsSpan(0, 24), bigEndian);
        Assert.Equal((h0, h1), (s0, s1));

        (s0, s1) = WalFrameHeader.ChecksumOf(s0, s1, Frame(page: 1, commit: 0, fill: 0), bigEndian);
        Assert.Equal((a0, a1), (s0, s1));
        (s0, s1) = WalFrameHeader.ChecksumOf(s0, s1, Frame(page: 2, commit: 2, fill: 1), bigEndian);
        Assert.Equal((b0, b1), (s0, s1));
    }

    [Fact]
    public void Real_header_parses()
    {
        byte[] bytes = Convert.FromHexString("377f0682002de21800001000000000004875a40ba38de4f5e08b785b8e57dda3");
        Assert.Equal(WalHeaderStatus.Valid, WalHeader.TryParse(bytes, out WalHeader header));
        Assert.Equal(4096, header.PageSize);
        Assert.Equal(0x4875a40bu, header.Salt1);
        Assert.Equal(0xa38de4f5u, header.Salt2);
        Assert.Equal(0xe08b785bu, header.Checksum1);
        Assert.Equal(0x8e57dda3u, header.Checksum2);
        Assert.False(header.BigEndianChecksum);
    }

    [Fact]
    public void Equals_the_definition_for_any_bytes_and_seed() =>
        Gen.Select(Gen.Byte.Array[0, 400], Gen.UInt, Gen.UInt, Gen.Bool).Sample((bytes, s0, s1, bigEndian) =>
        {
            byte[] data = bytes[..(bytes.Length & ~7)];
            Assert.Equal(ByDefinition(s0, s1, data, bigEndian), WalChecksum.Append(s0, s1, data, bigEndian));
        });

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(33)]
    public void Refuses_lengths_that_are_no_multiple_of_eight(int length) =>
        Assert.Throws<ArgumentException>(() => WalChecksum.Append(0, 0, new byte[length], false));

    internal static byte[] Header(uint magic, uint pageSize, uint sequence, uint salt1, uint salt2, uint version = WalFormat.Version)
    {
        byte[] header = new byte[32];
        BinaryPrimitives.WriteUInt32BigEndian(header, magic);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(4), version);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(8), pageSize);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(12), sequence);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(16), salt1);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(20), salt2);
        (uint s0, uint s1) = ByDefinition(0, 0, header.AsSpan(0, 24), magic == WalFormat.MagicBigEndian);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(24), s0);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(28), s1);
        return header;
    }

    private static byte[] Frame(uint page, uint commit, byte fill)
    {
        byte[] frame = new byte[WalFormat.FrameSize(512)];
        BinaryPrimitives.WriteUInt32BigEndian(frame, page);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(4), commit);
        frame.AsSpan(24).Fill(fill);
        return frame;
    }

    private static (uint S0, uint S1) ByDefinition(uint s0, uint s1, ReadOnlySpan<byte> data, bool bigEndian)
    {
        for (int i = 0; i < data.Length; i += 8)
        {
            s0 += Word(data[i..], bigEndian) + s1;
            s1 += Word(data[(i + 4)..], bigEndian) + s0;
        }

        return (s0, s1);
    }

    private static uint Word(ReadOnlySpan<byte> bytes, bool bigEndian) =>
        bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes);
}
