using System.Text;

namespace Litestream.Ltx.Tests;

/// <summary>Traps 1 to 5, 8 to 10 and 14 to 18 of the format: reading one file (ltx-format §20).</summary>
public sealed class ReadingTrapTests
{
    // A general frame reader swallows the start of what follows a frame, looking for another frame (superfly/ltx#70).
    [Fact]
    public void Trap1_LegacyFrames_AreConsumedExactly()
    {
        byte[][] pages = [TestFiles.Filled(512, 1), TestFiles.Random(512, 2), TestFiles.Filled(512, 3), TestFiles.Filled(512, 4)];
        byte[] file = new RawLtx(TestFiles.Header(commit: 4))
            .Legacy(1, pages[0]).Legacy(2, pages[1]).Block(3, pages[2]).Legacy(4, pages[3]).ToArray();
        TestFiles.AssertSame(pages.Select((p, i) => ((uint)i + 1, p)), TestFiles.ReadAll(file).Pages);
    }

    [Theory]
    [InlineData(512, 1)]
    [InlineData(65536, 1)]
    [InlineData(65536, 0)]
    public void Trap2_StoredAndLargestLegacyBlocks_AreRead(int pageSize, int seed)
    {
        byte[] page = seed == 0 ? new byte[pageSize] : TestFiles.Random(pageSize, seed);
        byte[] legacy = new RawLtx(TestFiles.Header(pageSize, commit: 1)).Legacy(1, page).ToArray();
        byte[] block = new RawLtx(TestFiles.Header(pageSize, commit: 1)).Block(1, page).ToArray();
        Assert.Equal(page, TestFiles.ReadAll(legacy).Pages.Single().Page);
        Assert.Equal(page, TestFiles.ReadAll(block).Pages.Single().Page);
    }

    [Theory]
    [InlineData(512, 515)]
    [InlineData(65536, 65794)]
    public void Trap3_IncompressiblePage_GrowsAndComesBack(int pageSize, int blockSize)
    {
        byte[] page = TestFiles.Random(pageSize, 9);
        byte[] file = TestFiles.Build(TestFiles.Header(pageSize, commit: 1), [(1, page)]);
        using var reader = new LtxReader(new MemoryStream(file));
        reader.ReadHeader();
        Assert.True(reader.ReadPage());
        Assert.Equal(blockSize, reader.Block.Length);
        Assert.Equal(page, reader.Page);
    }

    public static TheoryData<string, byte[], uint> BadBlocks
    {
        get
        {
            byte[] shorter = RawLtx.Compress(new byte[256]);
            byte[] longer = RawLtx.Compress(new byte[600]);
            byte[] good = RawLtx.Compress(new byte[512]);
            return new()
            {
                { "short", shorter, (uint)shorter.Length },
                { "long", longer, (uint)longer.Length },
                { "empty", [], 0 },
                { "one literal", [0x10, 7], 2 },
                { "cut by one", good[..^1], (uint)good.Length - 1 },
                { "one byte more", [.. good, 0], (uint)good.Length + 1 },
                { "size field huge", good, uint.MaxValue },
                { "size field above the bound", good, 531 },
            };
        }
    }

    // Upstream leaves the previous page's bytes in place of what a short block does not yield, and allocates what the field says.
    [Theory]
    [MemberData(nameof(BadBlocks))]
    public void Trap4_BlockThatIsNotOnePage_IsRejectedWithoutAllocatingItsSize(string what, byte[] payload, uint sizeField)
    {
        byte[] file = new RawLtx(TestFiles.Header(commit: 1)).Block(1, new byte[512], payload, sizeField).ToArray();
        long before = GC.GetAllocatedBytesForCurrentThread();
        LtxException error = Assert.Throws<LtxException>(() => TestFiles.ReadAll(file));
        Assert.True(error.Kind == LtxErrorKind.PageData, what);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Theory]
    [InlineData("valid/snapshot-512-2p.ltx")]
    [InlineData("valid/incremental-512-1p.ltx")]
    [InlineData("legacy-v3-frame/snapshot-512-2p.ltx")]
    [InlineData("valid/delete-snapshot.ltx")]
    public async Task Trap5_FileCutAtAnyByte_IsTruncated(string file)
    {
        byte[] content = Fixtures.Read(file);
        for (int length = 0; length < content.Length; length++)
        {
            byte[] cut = content[..length];
            Assert.Equal(LtxErrorKind.Truncated, Assert.Throws<LtxException>(() => TestFiles.ReadAll(cut)).Kind);
            Assert.Equal(LtxErrorKind.Truncated, await Merging.FailureAsync(async () => await LtxReader.VerifyAsync(new ChunkedStream(cut, 7))));
            await Assert.ThrowsAsync<LtxException>(async () => await PageIndexTests.LoadAsync(cut));
        }
    }

    [Fact]
    public void Trap8_PageSize65536_FitsEverywhere()
    {
        var sqliteHeader = new byte[100];
        "SQLite format 3\0"u8.CopyTo(sqliteHeader);
        sqliteHeader[17] = 1;
        sqliteHeader[31] = 3;
        Assert.Equal(new DatabaseGeometry(65536, 3), DatabaseGeometry.Parse(sqliteHeader, 3 * 65536));
        Assert.Throws<InvalidDataException>(() => DatabaseGeometry.Parse(sqliteHeader, (3 * 65536) - 1));

        (uint, byte[])[] pages = [.. Enumerable.Range(1, 3).Select(i => ((uint)i, TestFiles.Random(65536, i)))];
        TestFiles.AssertSame(pages, TestFiles.ReadAll(TestFiles.Build(TestFiles.Header(65536, commit: 3), pages)).Pages);
    }

    [Fact]
    public void Trap9_LargestPageNumberAndTransaction_AreWrittenAndRead()
    {
        byte[] page = TestFiles.Filled(512, 5);
        LtxHeader header = TestFiles.Header(commit: uint.MaxValue, min: ulong.MaxValue, max: ulong.MaxValue);
        byte[] file = TestFiles.Build(header, [(uint.MaxValue - 1, page), (uint.MaxValue, page)]);
        Assert.Equal([uint.MaxValue - 1, uint.MaxValue], TestFiles.ReadAll(file).Pages.Select(p => p.Number));
        Assert.Equal(header, TestFiles.ReadAll(file).Header);
    }

    [Fact]
    public void Trap10_ReservedBytes_AreHashedAsStored()
    {
        byte[] page = new byte[512];
        byte[] file = new RawLtx(TestFiles.Header(commit: 1)) { Reserved = TestFiles.Random(20, 1) }.Block(1, page).ToArray();
        TestFiles.ReadAll(file);
        file[99] ^= 1;
        Assert.Equal(LtxErrorKind.FileChecksum, Assert.Throws<LtxException>(() => TestFiles.ReadAll(file)).Kind);
    }

    // A source that stops early must never look like the end of the file; resuming is the job of who owns the source.
    [Theory]
    [InlineData(100)]
    [InlineData(134)]
    [InlineData(150)]
    [InlineData(174)]
    public void Trap14_SourceThatEndsEarly_IsNeverTakenForTheEnd(int length)
    {
        using var reader = new LtxReader(new ChunkedStream(Fixtures.Read("valid/snapshot-512-2p.ltx")[..length], 10));
        reader.ReadHeader();
        LtxException error = Assert.Throws<LtxException>(() =>
        {
            while (reader.ReadPage())
            {
            }

            reader.Finish();
        });
        Assert.Equal(LtxErrorKind.Truncated, error.Kind);
    }

    [Fact]
    public async Task Trap15_FullCopyAfterTransaction1_IsNoSnapshot()
    {
        // No rule of completeness: page 2 of 3 is missing and the file is good.
        byte[] file = TestFiles.Build(TestFiles.Header(commit: 3, min: 5, max: 5), [(1, new byte[512]), (3, new byte[512])]);
        Assert.Equal(2, TestFiles.ReadAll(file).Pages.Count);
        Assert.Equal(LtxErrorKind.NotSnapshot, await Merging.FailureAsync(() => Merging.DecodeAsync(file)));
    }

    [Fact]
    public void Trap16_WalFields_AtTheWalHeaderAreLegal()
    {
        LtxHeader header = TestFiles.Header() with { WalOffset = 32, WalSize = 0 };
        header.Validate();
        foreach (LtxHeader bad in (LtxHeader[])[
            header with { WalOffset = 0, WalSalt1 = 1 },
            header with { WalOffset = 0, WalSalt2 = 1 },
            header with { WalOffset = 0, WalSize = 1 },
            header with { WalOffset = -1 },
            header with { WalSize = -1 }])
        {
            Assert.Equal(LtxErrorKind.HeaderInvalid, Assert.Throws<LtxException>(() => bad.Validate()).Kind);
        }
    }

    [Fact]
    public void Trap17_Peek_RefusesWhatMustNotBeUploaded()
    {
        byte[] file = Fixtures.Read("valid/snapshot-512-2p.ltx");
        Assert.Equal(1700000000000, LtxHeader.Peek(file).Timestamp);
        Assert.Equal(LtxErrorKind.Truncated, Assert.Throws<LtxException>(() => LtxHeader.Peek(file.AsSpan(0, 99))).Kind);
        file[3] = (byte)'2';
        Assert.Equal(LtxErrorKind.BadMagic, Assert.Throws<LtxException>(() => LtxHeader.Peek(file)).Kind);
    }

    [Theory]
    [InlineData("0000000000000001-00000000000003e8.ltx", true)]
    [InlineData("ffffffffffffffff-0000000000000000.ltx", true)]
    [InlineData("0000000000000001-00000000000003E8.ltx", false)]
    [InlineData("0000000000000001-00000000000003e8.ltx.tmp", false)]
    [InlineData("0000000000000001-00000000000003e8.ltx\n", false)]
    [InlineData("0000000000000001-00000000000003e8.LTX", false)]
    [InlineData("000000000000001-00000000000003e8.ltx", false)]
    [InlineData("00000000000000001-00000000000003e8.ltx", false)]
    [InlineData("0000000000000001_00000000000003e8.ltx", false)]
    [InlineData("+000000000000001-00000000000003e8.ltx", false)]
    [InlineData("", false)]
    public void Trap18_FileNames_AreRecognisedExactly(string name, bool good)
    {
        Assert.Equal(good, LtxFileName.TryParse(name, out Txid min, out Txid max));
        if (good)
        {
            Assert.Equal(name, LtxFileName.Format(min, max));
        }
    }

    [Fact]
    public void ErrorMessages_NameFilePageAndOffset()
    {
        using var reader = new LtxReader(new MemoryStream(Fixtures.Read("corrupt/flip-page-offset.ltx")), "L0/a.ltx");
        reader.ReadHeader();
        LtxException error = Assert.Throws<LtxException>(() =>
        {
            reader.ReadPage();
            _ = reader.Page.Length;
        });
        Assert.Equal(("L0/a.ltx", 1u, 100L), (error.FileName, error.PageNumber, error.Offset));
        Assert.StartsWith("LTX file L0/a.ltx, page 1, offset 100: ", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => reader.ReadPage());
    }

    [Fact]
    public void XxHash32_GivesTheKnownValues()
    {
        Assert.Equal(0x02CC5D05u, XxHash32.Hash([]));
        Assert.Equal(0x32D153FFu, XxHash32.Hash(Encoding.ASCII.GetBytes("abc")));
        Assert.Equal(0x95C0A77Cu, XxHash32.Hash([0x64, 0x40]));
        Assert.Equal(0xd1e5d839u, XxHash32.Hash(TestFiles.Filled(512, 0x11)));
    }
}
