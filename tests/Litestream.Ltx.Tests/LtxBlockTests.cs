using K4os.Compression.LZ4;

namespace Litestream.Ltx.Tests;

/// <summary>The LZ4 block grammar (ltx-format §4.1), blocks written by hand.</summary>
public sealed class LtxBlockTests
{
    // 'a', then a match of 511 - 12 - 0 more, then 12 literals: the plainest block of 512 equal bytes.
    private static readonly byte[] Run = [0x1F, 0x61, 1, 0, 255, 225, 0xC0, .. "aaaaaaaaaaaa"u8];

    public static TheoryData<string, byte[]> Bad => new()
    {
        { "offset 0", [0x1F, 0x61, 0, 0, .. Run[4..]] },
        { "offset before the start", [0x1F, 0x61, 2, 0, .. Run[4..]] },
        { "ends after a match", [0x1F, 0x61, 1, 0, 255, 237] },
        { "ends inside an offset", Run[..3] },
        { "ends inside a match length", Run[..5] },
        { "ends inside the literals", Run[..^1] },
        { "ends inside a literal length", [0xF0, 255] },
        { "literal length without end", [0xF0, .. TestFiles.Filled(300, 255)] },
        { "literal length beyond 32 bits", [0xF0, .. TestFiles.Filled(70000, 255)] },
        { "match length beyond the page", [0x1F, 0x61, 1, 0, .. TestFiles.Filled(300, 255), 0, 0xC0, .. "aaaaaaaaaaaa"u8] },
        { "one literal too many", [.. Run[..6], 0xD0, .. "aaaaaaaaaaaaa"u8] },
        { "one literal too few", [.. Run[..6], 0xB0, .. "aaaaaaaaaaa"u8] },
        { "bytes after the last literals", [.. Run, 0] },
        { "empty", [] },
        { "only a token", [0] },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void BadBlock_IsRejected(string what, byte[] block)
    {
        Assert.False(LtxBlock.TryDecompress(block, new byte[512]), what);
        Assert.Equal(LtxErrorKind.PageData, Assert.Throws<LtxException>(() => LtxBlock.Decompress(block, new byte[512])).Kind);
    }

    [Fact]
    public void HandWrittenBlocks_AreRead()
    {
        var page = new byte[512];
        LtxBlock.Decompress(Run, page);
        Assert.Equal(TestFiles.Filled(512, 0x61), page);

        // Every overlap distance: "0123…" of that length, repeated to the end.
        for (int distance = 1; distance <= 40; distance++)
        {
            byte[] head = [.. Enumerable.Range(0, distance).Select(i => (byte)i)];
            int match = 512 - distance - 12;
            byte[] expected = [.. Enumerable.Range(0, 500).Select(i => (byte)(i % distance)), .. new byte[12]];
            byte[] block = [.. Sequence(head, distance, match), 0xC0, .. new byte[12]];
            LtxBlock.Decompress(block, page);
            Assert.Equal(expected, page);
        }
    }

    [Fact]
    public void EmptySequencesAndEmptyLastLiterals_AreRead()
    {
        // 1 literal, match 4, three sequences without literals, and a last one with none at all.
        byte[] block = [0x10, 0x61, 1, 0, 0x00, 1, 0, 0x00, 5, 0, 0x0F, 1, 0, 255, 225, 0x00];
        var page = new byte[1 + 4 + 4 + 4 + 15 + 4 + 255 + 225];
        LtxBlock.Decompress(block, page);
        Assert.Equal(TestFiles.Filled(page.Length, 0x61), page);
    }

    // Other decoders copy in wide steps and rely on these rules of the format.
    [Fact]
    public void CompressedBlocks_ObeyTheEndRules()
    {
        for (int seed = 0; seed < 400; seed++)
        {
            var random = new Random(seed);
            int pageSize = 512 << random.Next(8);
            byte[] page = PropertyTests.Page(random, pageSize);
            byte[] block = RawLtx.Compress(page);
            (int lastLiterals, int lastMatch) = Walk(block);
            Assert.True(lastMatch < 0 || (lastLiterals >= 5 && lastMatch <= pageSize - 12), $"seed {seed}");
            Assert.InRange(block.Length, 1, LtxFormat.MaxBlockSize(pageSize));
            var back = new byte[pageSize];
            LtxBlock.Decompress(block, back);
            Assert.Equal(page, back);
        }
    }

    // Other tools read our files and we read theirs: both ways against an independent implementation.
    [Fact]
    public void AnIndependentImplementation_AgreesBothWays()
    {
        for (int seed = 0; seed < 600; seed++)
        {
            var random = new Random(seed);
            int pageSize = 512 << random.Next(8);
            byte[] page = PropertyTests.Page(random, pageSize);
            var back = new byte[pageSize];
            Assert.Equal(pageSize, LZ4Codec.Decode(RawLtx.Compress(page), back));
            Assert.Equal(page, back);

            var block = new byte[LtxFormat.MaxBlockSize(pageSize)];
            int length = LZ4Codec.Encode(page, block, random.Next(2) == 0 ? LZ4Level.L00_FAST : LZ4Level.L09_HC);
            back.AsSpan().Clear();
            LtxBlock.Decompress(block.AsSpan(0, length), back);
            Assert.Equal(page, back);
        }
    }

    [Fact]
    public void Compress_IntoLessThanTheBound_IsRefused() =>
        Assert.Throws<ArgumentException>(() => LtxBlock.Compress(new byte[512], new byte[LtxFormat.MaxBlockSize(512) - 1]));

    private static byte[] Sequence(byte[] literals, int offset, int match)
    {
        var bytes = new List<byte> { (byte)((Math.Min(literals.Length, 15) << 4) | Math.Min(match - 4, 15)) };
        AddLength(bytes, literals.Length);
        bytes.AddRange(literals);
        bytes.AddRange([(byte)offset, (byte)(offset >> 8)]);
        AddLength(bytes, match - 4);
        return [.. bytes];
    }

    private static void AddLength(List<byte> bytes, int length)
    {
        if (length < 15)
        {
            return;
        }

        for (length -= 15; length >= 255; length -= 255)
        {
            bytes.Add(255);
        }

        bytes.Add((byte)length);
    }

    // The number of last literals, and where in the page the last match starts (-1: there is none).
    private static (int LastLiterals, int LastMatch) Walk(byte[] block)
    {
        int at = 0;
        int produced = 0;
        int lastMatch = -1;
        while (true)
        {
            int token = block[at++];
            int literals = Length(block, ref at, token >> 4);
            at += literals;
            produced += literals;
            if (at == block.Length)
            {
                return (literals, lastMatch);
            }

            at += 2;
            lastMatch = produced;
            produced += Length(block, ref at, token & 15) + 4;
        }
    }

    private static int Length(byte[] block, ref int at, int length)
    {
        if (length == 15)
        {
            byte more;
            do
            {
                length += more = block[at++];
            }
            while (more == 255);
        }

        return length;
    }
}
