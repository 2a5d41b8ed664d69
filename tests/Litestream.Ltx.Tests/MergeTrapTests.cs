namespace Litestream.Ltx.Tests;

/// <summary>Traps 11 to 13 and 19 to 21 of the format: deletion, merging, applying (ltx-format §20).</summary>
public sealed class MergeTrapTests
{
    private static readonly byte[] A = TestFiles.Filled(512, 0xA);
    private static readonly byte[] B = TestFiles.Filled(512, 0xB);
    private static readonly byte[] C = TestFiles.Filled(512, 0xC);

    [Fact]
    public void Trap11_DeletionWithoutChecksums_IsRefusedOnWriteAndAcceptedOnRead()
    {
        LtxHeader header = TestFiles.Header(commit: 0, min: 3, max: 3);
        Assert.Equal(LtxErrorKind.HeaderInvalid, Assert.Throws<LtxException>(() => TestFiles.Build(header, [])).Kind);
        Assert.Equal(header, TestFiles.ReadAll(new RawLtx(header).ToArray()).Header);
    }

    [Fact]
    public async Task Trap11_DeletionFile_HasOneChecksumForm()
    {
        LtxHeader header = TestFiles.Header(commit: 0, flags: 0);
        byte[] file = TestFiles.Build(header, [], DatabaseChecksum.Empty);
        Assert.Equal(DatabaseChecksum.Empty, TestFiles.ReadAll(file).Trailer.PostApplyChecksum);
        Assert.Empty(await Merging.DecodeAsync(file));
        Assert.Equal(LtxErrorKind.TrailerInvalid, Assert.Throws<LtxException>(() => TestFiles.Build(header, [], DatabaseChecksum.Empty | 1)).Kind);

        // 0 and the bare flag both mean empty; upstream's apply compares them and can never apply a deletion with checking.
        Assert.True(DatabaseChecksum.AreEqual(0, DatabaseChecksum.Empty));
        Assert.False(DatabaseChecksum.AreEqual(0, DatabaseChecksum.Empty | 1));
    }

    [Fact]
    public async Task Trap11_DeletionAndRecreation_ApplyAndMerge()
    {
        byte[] create = Tracked(1, 1, 0, A, B);
        byte[] delete = TestFiles.Build(TestFiles.Header(commit: 0, min: 2, max: 2, flags: 0) with { PreApplyChecksum = Rolling(A, B) }, [], DatabaseChecksum.Empty);
        byte[] recreate = Tracked(3, 3, DatabaseChecksum.Empty, C);
        Assert.Empty(await Merging.ApplyAsync([], 512, create, delete));
        Assert.Equal(C, await Merging.ApplyAsync([], 512, create, delete, recreate));
        Assert.Equal(C, await Merging.DecodeAsync(create, delete, recreate));
        byte[] merged = await Merging.MergeAsync([create, delete, recreate], new LtxMergeOptions { Flags = 0 });
        Assert.Equal(C, await Merging.DecodeAsync(merged));

        byte[] gone = await Merging.MergeAsync([create, delete], new LtxMergeOptions { Flags = 0 });
        Assert.Equal(0u, TestFiles.ReadAll(gone).Header.Commit);
        Assert.Equal(LtxErrorKind.HeaderInvalid, await Merging.FailureAsync(() => Merging.MergeAsync([create, delete])));
    }

    [Fact]
    public async Task Trap12_NoInput_IsRefused() =>
        await Assert.ThrowsAsync<ArgumentException>(() => Merging.MergeAsync([]));

    [Fact]
    public async Task Trap12_SingleInput_IsCopied()
    {
        byte[] merged = await Merging.MergeAsync([Plain(1, 1, 2, (1, A), (2, B))]);
        TestFiles.AssertSame([(1, A), (2, B)], TestFiles.ReadAll(merged).Pages);
    }

    [Fact]
    public async Task Trap12_PageSizeMismatch_NamesBoth()
    {
        byte[] other = TestFiles.Build(TestFiles.Header(1024, commit: 1, min: 2, max: 2), [(1, new byte[1024])]);
        LtxException error = await Assert.ThrowsAsync<LtxException>(() => Merging.MergeAsync([Plain(1, 1, 1, (1, A)), other]));
        Assert.Equal(LtxErrorKind.PageSizeMismatch, error.Kind);
        Assert.Contains("1024", error.Message, StringComparison.Ordinal);
        Assert.Contains("512", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 2, 4, 4)] // gap
    [InlineData(1, 2, 1, 2)] // duplicate
    [InlineData(1, 9, 3, 4)] // contained
    [InlineData(3, 4, 1, 2)] // unsorted
    [InlineData(3, ulong.MaxValue, 4, ulong.MaxValue)] // the successor of the largest id wraps to 0
    [InlineData(3, ulong.MaxValue, 1, 1)]
    public async Task Trap12_FilesThatDoNotFollowEachOther_AreRefused(ulong min1, ulong max1, ulong min2, ulong max2) =>
        Assert.Equal(LtxErrorKind.NotContiguous, await Merging.FailureAsync(() => Merging.MergeAsync([Plain(min1, max1, 1, (1, A)), Plain(min2, max2, 1, (1, B))])));

    [Fact]
    public async Task Trap12_Overlap_TheSecondWins()
    {
        byte[] merged = await Merging.MergeAsync([Plain(2, 4, 3, (1, A), (2, A)), Plain(3, 6, 3, (2, B), (3, B))]);
        (LtxHeader header, List<(uint, byte[])> pages, _) = TestFiles.ReadAll(merged);
        Assert.Equal((2ul, 6ul), (header.MinTxid.Value, header.MaxTxid.Value));
        TestFiles.AssertSame([(1, A), (2, B), (3, B)], pages);
    }

    [Fact]
    public async Task Trap12_Gaps_AreAllowedOnDemandOnly()
    {
        byte[][] files = [Plain(1, 1, 1, (1, A)), Plain(5, 5, 1, (1, B))];
        Assert.Equal(LtxErrorKind.NotContiguous, await Merging.FailureAsync(() => Merging.MergeAsync(files)));
        byte[] merged = await Merging.MergeAsync(files, new LtxMergeOptions { AllowGaps = true });
        TestFiles.AssertSame([(1, B)], TestFiles.ReadAll(merged).Pages);
        Assert.Equal(LtxErrorKind.NotContiguous, await Merging.FailureAsync(() => Merging.MergeAsync([files[1], files[0]], new LtxMergeOptions { AllowGaps = true })));
    }

    [Fact]
    public async Task Trap12_Shrink_DropsPages()
    {
        byte[] merged = await Merging.MergeAsync([Plain(1, 1, 3, (1, A), (2, A), (3, A)), Plain(2, 2, 1, (1, B))]);
        Assert.Equal(1u, TestFiles.ReadAll(merged).Header.Commit);
        TestFiles.AssertSame([(1, B)], TestFiles.ReadAll(merged).Pages);
    }

    // Existing chains were written for "last carrier wins"; our capture closes the case by its growth rule.
    [Fact]
    public async Task Trap12_ShrinkAndRegrow_KeepsTheLastCarrier()
    {
        byte[][] files = [Plain(1, 1, 3, (1, A), (2, A), (3, A)), Plain(2, 2, 1, (1, B)), Plain(3, 3, 3, (1, C), (3, C))];
        TestFiles.AssertSame([(1, C), (2, A), (3, C)], TestFiles.ReadAll(await Merging.MergeAsync(files)).Pages);
        byte[] applied = [.. C, .. new byte[512], .. C];
        Assert.Equal(applied, await Merging.ApplyAsync([], 512, files));
    }

    [Fact]
    public async Task Trap12_HeaderOfTheResult_TakesFirstAndLast()
    {
        byte[] first = TestFiles.Build(TestFiles.Header(commit: 10, min: 7, max: 8) with { Timestamp = 5, WalOffset = 32, WalSize = 10, WalSalt1 = 1, WalSalt2 = 2, NodeId = 3 }, [(1, A)]);
        byte[] last = TestFiles.Build(TestFiles.Header(commit: 9, min: 9, max: 12) with { Timestamp = 4, WalOffset = 64, WalSize = 20, WalSalt1 = 3, WalSalt2 = 4, NodeId = 5 }, [(9, B)]);
        LtxHeader expected = TestFiles.Header(commit: 9, min: 7, max: 12) with { Timestamp = 4 };
        Assert.Equal(expected, TestFiles.ReadAll(await Merging.MergeAsync([first, last])).Header);
    }

    [Fact]
    public async Task Trap12_LegacyInput_BecomesBlocks()
    {
        byte[] legacy = new RawLtx(TestFiles.Header(commit: 2)).Legacy(1, A).Legacy(2, TestFiles.Random(512, 1)).ToArray();
        byte[] merged = await Merging.MergeAsync([legacy]);
        using var reader = new LtxReader(new MemoryStream(merged));
        reader.ReadHeader();
        while (reader.ReadPage())
        {
            Assert.False(reader.IsLegacyFrame);
        }

        reader.Finish();
        TestFiles.AssertSame(TestFiles.ReadAll(legacy).Pages, TestFiles.ReadAll(merged).Pages);
    }

    // 0.5.0 to 0.5.15 returned success and an empty output here.
    [Theory]
    [InlineData("corrupt/empty.ltx")]
    [InlineData("corrupt/header-truncated.ltx")]
    [InlineData("corrupt/bad-magic.ltx")]
    [InlineData("corrupt/page-size-1000.ltx")]
    public async Task Trap12_UnreadableFirstHeader_FailsTheMerge(string file)
    {
        var output = new MemoryStream();
        await Assert.ThrowsAsync<LtxException>(() => Merging.MergeAsync([Fixtures.Read(file), Plain(2, 2, 1, (1, A))], output));
        Assert.Equal(0, output.Length);
    }

    [Fact]
    public async Task Trap13_CorruptLastInput_LeavesNoCompleteOutput()
    {
        byte[] last = Plain(2, 2, 2, (2, B));
        last[^1] ^= 1;
        var output = new MemoryStream();
        Assert.Equal(LtxErrorKind.FileChecksum, await Merging.FailureAsync(() => Merging.MergeAsync([Plain(1, 1, 2, (1, A), (2, A)), last], output)));
        Assert.Throws<LtxException>(() => TestFiles.ReadAll(output.ToArray()));
    }

    [Fact]
    public async Task Trap19_ApplyOfADamagedFile_ChangesNothing()
    {
        byte[] file = Plain(2, 2, 1, (1, B));
        file[^1] ^= 1;
        byte[] before = [.. A, .. A];
        var database = new MemoryDatabase { Bytes = before, PageSize = 512 };
        Assert.Equal(LtxErrorKind.FileChecksum, await Merging.FailureAsync(async () => await LtxApply.ApplyAsync(new MemoryStream(file), database)));
        Assert.Equal([.. A, .. A], database.Bytes);
    }

    [Fact]
    public async Task Trap19_ApplyToTheWrongDatabase_ChangesNothing()
    {
        byte[] file = Fixtures.Read("valid/incremental-512-1p.ltx");
        var database = new MemoryDatabase { Bytes = [.. A, .. A], PageSize = 512 };
        Assert.Equal(LtxErrorKind.ChecksumChain, await Merging.FailureAsync(async () => await LtxApply.ApplyAsync(new MemoryStream(file), database)));
        Assert.Equal([.. A, .. A], database.Bytes);
        var large = new MemoryDatabase { Bytes = new byte[2048], PageSize = 1024 };
        Assert.Equal(LtxErrorKind.PageSizeMismatch, await Merging.FailureAsync(async () => await LtxApply.ApplyAsync(new MemoryStream(file), large)));
    }

    // Upstream's merge does not notice a missing tail; the result would only fail when it is restored.
    [Fact]
    public async Task Trap20_IncompleteSnapshot_IsRefusedBeforeTheTrailer()
    {
        var output = new MemoryStream();
        Assert.Equal(LtxErrorKind.SnapshotIncomplete, await Merging.FailureAsync(() => Merging.MergeAsync([Plain(1, 1, 1, (1, A)), Plain(2, 2, 3, (2, B))], output)));
        Assert.Throws<LtxException>(() => TestFiles.ReadAll(output.ToArray()));
        Assert.Equal(LtxErrorKind.SnapshotIncomplete, await Merging.FailureAsync(() => Merging.MergeAsync([Plain(1, 1, 1, (1, A)), Plain(2, 2, 3, (3, B))])));
        Assert.Equal(LtxErrorKind.SnapshotIncomplete, await Merging.FailureAsync(() => Merging.DecodeAsync(Plain(1, 1, 1, (1, A)), Plain(2, 2, 3, (2, B)))));
        Assert.Equal(LtxErrorKind.SnapshotIncomplete, Assert.Throws<LtxException>(() => Plain(1, 1, 2, (1, A))).Kind);
    }

    // Upstream fails here; such files come from its `ltx encode-db` and from LiteFS.
    [Fact]
    public async Task Trap21_FilesWithChecksums_MergeIntoOneWithout()
    {
        byte[][] files = [.. Enumerable.Range(1, 5).Select(i => ChainTests.Link("block", i))];
        byte[] merged = await Merging.MergeAsync(files);
        Assert.Equal(0ul, TestFiles.ReadAll(merged).Trailer.PostApplyChecksum);
        Assert.Equal(ChainTests.State(5), await Merging.DecodeAsync(merged));
        Assert.Equal(0ul, TestFiles.ReadAll(await Merging.MergeAsync(files[1..])).Header.PreApplyChecksum);
        Assert.Equal(LtxErrorKind.FlagsMismatch, await Merging.FailureAsync(() => Merging.MergeAsync([Plain(1, 1, 1, (1, A))], new LtxMergeOptions { Flags = 0 })));
    }

    // Without this, two histories with the same transaction ids could be merged into a database that never existed.
    [Fact]
    public async Task ChecksumsOfNeighbours_MustContinueEachOther()
    {
        byte[] first = Tracked(1, 1, 0, A, B);
        byte[] stranger = Tracked(2, 2, Rolling(C, B), C, C);
        Assert.Equal(LtxErrorKind.ChecksumChain, await Merging.FailureAsync(() => Merging.MergeAsync([first, stranger], new LtxMergeOptions { Flags = 0 })));
        await Merging.MergeAsync([first, Tracked(2, 2, Rolling(A, B), C, C)], new LtxMergeOptions { Flags = 0 });
    }

    private static byte[] Plain(ulong min, ulong max, uint commit, params (uint, byte[])[] pages) =>
        TestFiles.Build(TestFiles.Header(commit: commit, min: min, max: max), pages);

    private static byte[] Tracked(ulong min, ulong max, ulong preApply, params byte[][] pages) =>
        TestFiles.Build(
            TestFiles.Header(commit: (uint)pages.Length, min: min, max: max, flags: 0) with { PreApplyChecksum = preApply },
            pages.Select((p, i) => ((uint)i + 1, p)),
            Rolling(pages));

    private static ulong Rolling(params byte[][] pages) =>
        DatabaseChecksum.OfDatabase(new MemoryDatabase { Bytes = [.. pages.SelectMany(p => p)], PageSize = 512 });
}
