namespace Litestream.Ltx.Tests;

/// <summary>Trap 7 and the checksum vectors: databases around the lock page, 1 GiB, pages generated and compared on the fly.</summary>
public sealed class LockPageTests
{
    [Theory]
    [InlineData(512, 2097153)]
    [InlineData(1024, 1048577)]
    [InlineData(2048, 524289)]
    [InlineData(4096, 262145)]
    [InlineData(8192, 131073)]
    [InlineData(16384, 65537)]
    [InlineData(32768, 32769)]
    [InlineData(65536, 16385)]
    public void LockPage_IsThatOfTheSpecification(int pageSize, uint expected)
    {
        Assert.Equal(expected, LtxFormat.LockPage(pageSize));
        foreach (uint commit in (uint[])[expected, expected + 1])
        {
            LtxHeader header = TestFiles.Header(pageSize, commit, min: 2, max: 2);
            LtxException error = Assert.Throws<LtxException>(() => TestFiles.Build(header, [(expected, new byte[pageSize])]));
            Assert.Equal(LtxErrorKind.PageOrder, error.Kind);
            LtxException read = Assert.Throws<LtxException>(() => TestFiles.ReadAll(new RawLtx(header).Block(expected, new byte[pageSize]).ToArray()));
            Assert.Equal(LtxErrorKind.PageOrder, read.Kind);
        }
    }

    [Theory]
    [InlineData(65536, 16384, null)]
    [InlineData(65536, 16385, 0xd15d8cc3dc17edb0)]
    [InlineData(65536, 16386, 0xf77b05dcf7e68959)]
    [InlineData(65536, 16395, 0xa42bbfccac485b71)]
    [InlineData(4096, 262145, null)]
    [InlineData(4096, 262155, 0xc19b668c376662c7)]
    public async Task Trap7_SnapshotAroundTheLockPage_LeavesItOutAndFillsItWithZeros(int pageSize, int pageCount, ulong? checksum)
    {
        var database = new Uniform(pageSize, (uint)pageCount);
        var file = new MemoryStream();
        LtxSnapshot.Encode(database, TestFiles.Header(flags: 0), file);
        file.Position = 0;
        using var reader = new LtxReader(file, leaveOpen: true);
        await LtxSnapshot.DecodeAsync(new LtxMergeReader([reader]), database);
        Assert.True(database.IsComplete);
        if (checksum is { } expected)
        {
            Assert.Equal(expected, reader.Trailer.PostApplyChecksum);
        }

        using PageIndex index = await PageIndexTests.LoadAsync(file.ToArray());
        Assert.False(index.TryFind(LtxFormat.LockPage(pageSize), out _));
        Assert.Equal(pageCount > LtxFormat.LockPage(pageSize), index.TryFind(LtxFormat.LockPage(pageSize) + 1, out _));
    }

    [Fact]
    public void PageChecksums_AreThoseOfTheSpecification()
    {
        (uint, byte[], ulong)[] vectors =
        [
            (1, new byte[512], 0xefb1f44fecd99000),
            (2, new byte[512], 0xef63e89fecd99000),
            (1, TestFiles.Filled(512, 1), 0xe4e4aaa102377eee),
            (2, TestFiles.Filled(512, 2), 0xc9c9554231044ddd),
            (3, TestFiles.Filled(512, 3), 0xc2d2001cdfeaa333),
            (1, TestFiles.Filled(512, 0x11), 0xf1b1444fecd99000),
            (2, TestFiles.Filled(512, 0x22), 0xd362889fecd99000),
            (2, [.. Enumerable.Range(0, 512).Select(i => (byte)i)], 0xc6232e56cb62cc9f),
            (4294967295, new byte[512], 0xd5f96fffd6df0000),
            (1, new byte[4096], 0xd9328f592d9e733d),
            (262144, new byte[4096], 0x98a9e9d51af811fa),
            (262146, new byte[4096], 0xc395083ef39b71f9),
            (1, TestFiles.Filled(4096, (byte)'x'), 0xbc819772522d4042),
            (1, TestFiles.Filled(65536, (byte)'x'), 0xd8e150cd6706521b),
        ];
        foreach ((uint number, byte[] page, ulong expected) in vectors)
        {
            Assert.Equal(expected, DatabaseChecksum.OfPage(number, page));
        }

        ulong rolling = DatabaseChecksum.Empty;
        for (uint i = 1; i <= 3; i++)
        {
            rolling = DatabaseChecksum.Toggle(rolling, DatabaseChecksum.OfPage(i, TestFiles.Filled(512, (byte)i)));
        }

        Assert.Equal(0xefffffffecd99000, rolling);
        Assert.Equal(0xb7926a1927bb5c9f, DatabaseChecksum.Toggle(DatabaseChecksum.Toggle(0xa2d3ccd000000000, 0xd362889fecd99000), 0xc6232e56cb62cc9f));
    }

    /// <summary>A database whose pages are all "xxx…" but the lock page; as a sink it compares instead of keeping.</summary>
    private sealed class Uniform(int pageSize, uint pageCount) : IPageSource, IPageSink
    {
        private readonly byte[] expected = TestFiles.Filled(pageSize, (byte)'x');
        private readonly byte[] received = new byte[pageSize];
        private uint last;

        public bool IsComplete { get; private set; }

        public int PageSize => pageSize;

        public uint PageCount => pageCount;

        public ReadOnlySpan<byte> ReadPage(uint pageNumber)
        {
            Assert.NotEqual(LtxFormat.LockPage(pageSize), pageNumber);
            return expected;
        }

        public Span<byte> Reserve(uint pageNumber, int size)
        {
            Check();
            Assert.Equal(last + 1, pageNumber);
            last = pageNumber;
            received.AsSpan().Fill(0xEE);
            return received;
        }

        public void Complete(uint count, int size)
        {
            Check();
            Assert.Equal((pageCount, pageSize), (count, size));
            Assert.Equal(pageCount, last);
            IsComplete = true;
        }

        private void Check()
        {
            if (last != 0)
            {
                bool good = last == LtxFormat.LockPage(pageSize) ? !received.AsSpan().ContainsAnyExcept((byte)0) : received.AsSpan().SequenceEqual(expected);
                Assert.True(good, $"page {last}");
            }
        }
    }
}
