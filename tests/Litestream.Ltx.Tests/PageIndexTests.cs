namespace Litestream.Ltx.Tests;

public sealed class PageIndexTests
{
    public static TheoryData<string> Accepted => Fixtures.Names("accept");

    [Theory]
    [MemberData(nameof(Accepted))]
    public async Task Index_LocatesThePagesThatAWholeReadFinds(string file)
    {
        byte[] content = Fixtures.Read(file);
        using var reader = new LtxReader(new MemoryStream(content));
        LtxHeader header = reader.ReadHeader();
        using PageIndex index = await LoadAsync(content);
        var entries = index.Entries.ToList();
        var page = new byte[header.PageSize];
        foreach (PageIndexEntry entry in entries)
        {
            Assert.True(reader.ReadPage());
            Assert.Equal((reader.PageNumber, reader.FrameOffset, (long)reader.FrameSize), (entry.PageNumber, entry.Offset, entry.Size));
            Assert.True(index.TryFind(entry.PageNumber, out PageIndexEntry found));
            Assert.Equal(entry, found);
            PageIndex.DecodePage(header, entry, content.AsSpan((int)entry.Offset, (int)entry.Size), page);
            Assert.Equal(reader.Page, page);
        }

        Assert.False(reader.ReadPage());
        Assert.Equal(index.PageCount, reader.PageCount);
        Assert.False(index.TryFind(header.Commit == uint.MaxValue ? 2 : header.Commit + 1, out _));
        Assert.False(index.TryFind(0, out _));
    }

    [Fact]
    public async Task Index_LargerThanTheFirstRead_TakesOneMoreRead()
    {
        byte[] content = Fixtures.Read("valid/index-over-32k.ltx");
        var reads = new List<(long, int)>();
        using PageIndex index = await LoadAsync(content, reads);

        // 204100 is the end marker in front of the list; only what the first read did not bring is read.
        Assert.Equal([(206756, 32768), (204100, 2656)], reads);
        Assert.True(index.TryFind(6000, out PageIndexEntry last));
        Assert.Equal(new PageIndexEntry(6000, 204066, 34), last);
    }

    // Without this, restoring by parallel ranges would skip the checks that a sequential read makes.
    [Theory]
    [MemberData(nameof(Accepted))]
    public async Task PartsDecodedInReverse_VerifyLikeTheWholeFile(string file)
    {
        byte[] content = Fixtures.Read(file);
        LtxHeader header = LtxHeader.Parse(content);
        using PageIndex index = await LoadAsync(content);
        var segments = new List<LtxSegment>();
        foreach (LtxFrameRange range in index.Split(300).Reverse())
        {
            segments.Insert(0, Decode(header, range, content));
        }

        var all = new LtxSegment(LtxFormat.HeaderSize);
        foreach (LtxSegment segment in segments)
        {
            all.Join(header, segment);
        }

        Assert.Equal(TestFiles.ReadAll(content).Trailer, index.Verify(content, all));
    }

    [Fact]
    public async Task PartsOfADamagedFile_FailVerification()
    {
        byte[] content = Fixtures.Read("valid/index-over-32k.ltx");
        LtxHeader header = LtxHeader.Parse(content);
        using PageIndex index = await LoadAsync(content);
        content[100 + 10 + 1] ^= 1; // a literal of page 1: still decompresses
        var all = new LtxSegment(LtxFormat.HeaderSize);
        foreach (LtxFrameRange range in index.Split(5000))
        {
            all.Join(header, Decode(header, range, content));
        }

        Assert.Equal(LtxErrorKind.FileChecksum, Assert.Throws<LtxException>(() => index.Verify(content, all)).Kind);
    }

    [Fact]
    public async Task PartsWithAHole_AreNotJoined()
    {
        byte[] content = Fixtures.Read("valid/index-over-32k.ltx");
        LtxHeader header = LtxHeader.Parse(content);
        using PageIndex index = await LoadAsync(content);
        LtxFrameRange[] ranges = [.. index.Split(5000)];
        var all = new LtxSegment(LtxFormat.HeaderSize);
        all.Join(header, Decode(header, ranges[0], content));
        Assert.Equal(LtxErrorKind.PageIndex, Assert.Throws<LtxException>(() => all.Join(header, Decode(header, ranges[2], content))).Kind);
        Assert.Equal(LtxErrorKind.SnapshotIncomplete, Assert.Throws<LtxException>(() => index.Verify(content, all)).Kind);
    }

    internal static ValueTask<PageIndex> LoadAsync(byte[] content, List<(long, int)>? reads = null) =>
        PageIndex.LoadAsync(content.Length, Source(content, reads));

    internal static ReadRange Source(byte[] content, List<(long, int)>? reads = null) => (offset, destination, _) =>
    {
        reads?.Add((offset, destination.Length));
        int count = (int)Math.Clamp(content.Length - offset, 0, destination.Length);
        content.AsSpan((int)Math.Min(offset, content.Length), count).CopyTo(destination.Span);
        return ValueTask.FromResult(count);
    };

    private static LtxSegment Decode(in LtxHeader header, in LtxFrameRange range, byte[] content)
    {
        var reader = new LtxRangeReader(header, range.Start, content.AsSpan((int)range.Start, (int)(range.End - range.Start)));
        var page = new byte[header.PageSize];
        while (reader.ReadPage())
        {
            reader.DecompressTo(page);
        }

        Assert.Equal((range.FirstPage, range.LastPage, range.PageCount), (reader.Segment.FirstPage, reader.Segment.LastPage, reader.Segment.PageCount));
        return reader.Segment;
    }
}
