using System.Security.Cryptography;

namespace Litestream.Ltx.Tests;

/// <summary>The chain of a real database in three encodings, against its states and the merges made by the reference.</summary>
public sealed class ChainTests
{
    public static TheoryData<string> Encodings => ["block", "block-nochecksum", "frame-nochecksum"];

    [Theory]
    [MemberData(nameof(Encodings))]
    public async Task AppliedInOrder_GivesEachState(string encoding)
    {
        byte[] database = [];
        for (int txid = 1; txid <= 5; txid++)
        {
            database = await Merging.ApplyAsync(database, 1024, Link(encoding, txid));
            Assert.Equal(State(txid), database);
        }
    }

    [Theory]
    [MemberData(nameof(Encodings))]
    public async Task DecodedTogether_GivesEachState(string encoding)
    {
        for (int last = 1; last <= 5; last++)
        {
            byte[][] files = [.. Enumerable.Range(1, last).Select(txid => Link(encoding, txid))];
            Assert.Equal(State(last), await Merging.DecodeAsync(files));
        }
    }

    [Theory]
    [InlineData("block", "ck", 1, 3)]
    [InlineData("block", "ck", 1, 5)]
    [InlineData("block", "ck", 2, 3)]
    [InlineData("block", "ck", 2, 5)]
    [InlineData("block", "ck", 4, 5)]
    [InlineData("block-nochecksum", "nc", 1, 3)]
    [InlineData("block-nochecksum", "nc", 1, 5)]
    [InlineData("block-nochecksum", "nc", 2, 3)]
    [InlineData("block-nochecksum", "nc", 2, 5)]
    [InlineData("block-nochecksum", "nc", 4, 5)]
    [InlineData("frame-nochecksum", "nc", 1, 5)]
    [InlineData("frame-nochecksum", "nc", 2, 3)]
    public async Task Merge_EqualsTheReference(string encoding, string reference, int first, int last)
    {
        var options = new LtxMergeOptions { Flags = reference == "ck" ? 0 : LtxFormat.NoChecksum };
        byte[] merged = await Merging.MergeAsync(Enumerable.Range(first, last - first + 1).Select(txid => Link(encoding, txid)), options);
        byte[] expected = Fixtures.Read($"chain/compacted/{reference}/{first:x16}-{last:x16}.ltx");
        AssertSameFile(expected, merged);
    }

    [Fact]
    public async Task Merge_OfBothFrameKinds_EqualsTheReference()
    {
        byte[] merged = await Merging.MergeAsync([
            Link("frame-nochecksum", 1), Link("frame-nochecksum", 2),
            Link("block-nochecksum", 3), Link("block-nochecksum", 4), Link("block-nochecksum", 5)]);
        AssertSameFile(Fixtures.Read("chain/compacted/nc-mixed-0000000000000001-0000000000000005.ltx"), merged);
    }

    [Theory]
    [InlineData("ck")]
    [InlineData("nc")]
    public async Task MergesOfTheReference_GiveTheStates(string reference)
    {
        byte[] Merged(int first, int last) => Fixtures.Read($"chain/compacted/{reference}/{first:x16}-{last:x16}.ltx");
        Assert.Equal(State(5), await Merging.DecodeAsync(Merged(1, 5)));
        Assert.Equal(State(3), await Merging.DecodeAsync(Merged(1, 3)));
        Assert.Equal(State(5), await Merging.ApplyAsync(State(1), 1024, Merged(2, 5)));
        Assert.Equal(State(5), await Merging.ApplyAsync(State(1), 1024, Merged(2, 3), Merged(4, 5)));
        Assert.Equal(State(5), await Merging.DecodeAsync(Merged(1, 3), Merged(4, 5)));
    }

    [Fact]
    public void RollingChecksum_OfEachState_IsThePostApplyChecksum()
    {
        for (int txid = 1; txid <= 5; txid++)
        {
            LtxTrailer trailer = TestFiles.ReadAll(Link("block", txid)).Trailer;
            Assert.Equal(trailer.PostApplyChecksum, DatabaseChecksum.OfDatabase(new MemoryDatabase { Bytes = State(txid), PageSize = 1024 }));
        }
    }

    // Without this a database encoded by us would not restore to the same bytes.
    [Theory]
    [InlineData(0u)]
    [InlineData(LtxFormat.NoChecksum)]
    public async Task EncodedState_DecodesToTheSameBytes(uint flags)
    {
        for (int txid = 1; txid <= 5; txid++)
        {
            byte[] state = State(txid);
            DatabaseGeometry geometry = DatabaseGeometry.Parse(state, state.Length);
            Assert.Equal(new DatabaseGeometry(1024, (uint)state.Length / 1024), geometry);
            var output = new MemoryStream();
            long size = LtxSnapshot.Encode(new MemoryDatabase { Bytes = state, PageSize = geometry.PageSize }, TestFiles.Header(flags: flags), output);
            Assert.Equal(output.Length, size);
            Assert.Equal(SHA256.HashData(state), SHA256.HashData(await Merging.DecodeAsync(output.ToArray())));
        }
    }

    internal static byte[] Link(string encoding, int txid) => Fixtures.Read($"chain/{encoding}/{txid:x16}-{txid:x16}.ltx");

    internal static byte[] State(int txid) => Fixtures.Read($"chain/state-{txid}.db");

    // Compressed bytes are not normative, pages and fields are.
    private static void AssertSameFile(byte[] expected, byte[] actual)
    {
        (LtxHeader header, List<(uint, byte[])> pages, LtxTrailer trailer) = TestFiles.ReadAll(expected);
        (LtxHeader header2, List<(uint, byte[])> pages2, LtxTrailer trailer2) = TestFiles.ReadAll(actual);
        Assert.Equal(header, header2);
        TestFiles.AssertSame(pages, pages2);
        Assert.Equal(trailer.PostApplyChecksum, trailer2.PostApplyChecksum);
    }
}
