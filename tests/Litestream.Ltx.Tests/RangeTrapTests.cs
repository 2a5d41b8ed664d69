using System.Buffers.Binary;

namespace Litestream.Ltx.Tests;

/// <summary>Traps 6 and 9 of the format: reading parts of a file.</summary>
public sealed class RangeTrapTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(23)]
    [InlineData(130)]
    public async Task Trap6_ShortObject_IsTruncated(int size) =>
        Assert.Equal(LtxErrorKind.Truncated, await Merging.FailureAsync(async () => await PageIndexTests.LoadAsync(new byte[size])));

    [Theory]
    [InlineData(0ul)]
    [InlineData(ulong.MaxValue)]
    [InlineData(ulong.MaxValue - 100)]
    [InlineData(1ul << 63)]
    [InlineData(207ul)]
    [InlineData(77ul)]
    [InlineData(7ul)]
    [InlineData(9ul)]
    public async Task Trap6_WrongIndexSize_IsRejected(ulong size)
    {
        byte[] content = Fixtures.Read("valid/snapshot-512-2p.ltx");
        BinaryPrimitives.WriteUInt64BigEndian(content.AsSpan(content.Length - 24), size);
        Assert.Equal(LtxErrorKind.PageIndex, await Merging.FailureAsync(async () => await PageIndexTests.LoadAsync(content)));
    }

    // The list, and the list with the marker, end exactly where the first read starts, and some bytes around it.
    [Theory]
    [InlineData(-8)]
    [InlineData(-6)]
    [InlineData(-3)]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Trap6_IndexAroundTheFirstRead_IsParsed(int distance)
    {
        byte[] content = Virtual(32744 + distance, out List<PageIndexEntry> expected);
        using PageIndex index = await PageIndexTests.LoadAsync(content);
        Assert.Equal(expected, index.Entries);
    }

    [Fact]
    public async Task Trap6_StaleSize_IsAnError()
    {
        byte[] content = Fixtures.Read("valid/index-over-32k.ltx");
        foreach (int delta in (int[])[-50000, -1000, -7, -1, 1, 9, 5000])
        {
            await Assert.ThrowsAsync<LtxException>(async () => await PageIndex.LoadAsync(content.Length + delta, PageIndexTests.Source(content)));
        }
    }

    [Fact]
    public async Task Trap6_WrongPageOrMarkerInTheRange_IsAnError()
    {
        byte[] content = Fixtures.Read("valid/snapshot-512-2p.ltx");
        LtxHeader header = LtxHeader.Parse(content);
        using PageIndex index = await PageIndexTests.LoadAsync(content);
        Assert.True(index.TryFind(2, out PageIndexEntry entry));
        var page = new byte[512];
        LtxErrorKind Decode(PageIndexEntry e, int offset, int size) => Assert.Throws<LtxException>(() =>
            PageIndex.DecodePage(header, e, content.AsSpan(offset, size), page)).Kind;

        Assert.Equal(LtxErrorKind.PageIndex, Decode(entry, 100, 34)); // page 1's frame
        Assert.Equal(LtxErrorKind.PageIndex, Decode(entry, 168, 34)); // the end marker
        Assert.Equal(LtxErrorKind.Truncated, Decode(entry, 134, 33));
        Assert.Equal(LtxErrorKind.Truncated, Decode(entry, 134, 35));
        Assert.Equal(LtxErrorKind.PageIndex, Decode(entry with { Size = 40 }, 134, 40));
        Assert.Equal(LtxErrorKind.Truncated, Decode(entry with { Size = 20 }, 134, 20));
        Assert.Equal(LtxErrorKind.Truncated, Decode(entry with { Size = 0 }, 134, 0));
    }

    public static TheoryData<string> BadIndexes =>
        ["corrupt/index-missing-page.ltx", "corrupt/index-no-terminator.ltx", "corrupt/index-size-huge.ltx", "corrupt/index-size-wrong.ltx", "corrupt/index-varint-overflow.ltx", "corrupt/index-wrong-offset.ltx", "corrupt/flip-index.ltx"];

    [Theory]
    [MemberData(nameof(BadIndexes))]
    public async Task BadIndexes_AreRejectedWithoutReadingThePages(string file) =>
        Assert.Equal(LtxErrorKind.PageIndex, await Merging.FailureAsync(async () => await PageIndexTests.LoadAsync(Fixtures.Read(file))));

    [Fact]
    public async Task Trap9_OffsetsBeyond4GiB_AreFound()
    {
        // 70,000 frames of 65,500 bytes; only the tail of the file exists.
        const int Frame = 65500;
        var list = new MemoryStream();
        var entry = new byte[30];
        long offset = 100;
        for (uint page = 1; page <= 70000; page++, offset += Frame)
        {
            list.Write(entry, 0, LtxSegment.WriteIndexEntry(entry, page * 3, offset, Frame));
        }

        list.WriteByte(0);
        byte[] tail = [.. new byte[6], .. list.ToArray(), .. new byte[8], .. new byte[8], 0x80, .. new byte[7]];
        BinaryPrimitives.WriteInt64BigEndian(tail.AsSpan(tail.Length - 24), list.Length);
        ReadRange read = PageIndexTests.Source(tail);
        using PageIndex index = await PageIndex.LoadAsync(offset + tail.Length, (at, destination, token) => read(at - offset, destination, token));
        Assert.Equal(70000, index.PageCount);
        Assert.True(index.TryFind(210000, out PageIndexEntry last));
        Assert.Equal(new PageIndexEntry(210000, 100 + (69999L * Frame), Frame), last);
        Assert.True(last.Offset > uint.MaxValue);
        Assert.False(index.TryFind(209999, out _));
    }

    // A file whose list has exactly this many bytes; frames are never read, so they are zeros.
    private static byte[] Virtual(int listSize, out List<PageIndexEntry> entries)
    {
        entries = [];
        var list = new MemoryStream();
        var bytes = new byte[30];
        long offset = 100;
        uint page = 128;
        int frame = 20000; // from the second entry on, offsets take three bytes and an entry of a small page six

        for (int left = listSize - 1; left > 0; frame = 20)
        {
            // The last two entries take up what is left: longer page numbers make longer entries.
            int length = left > 17 ? 6 : left >= 12 ? left / 2 : left;
            page = Math.Max(page, length switch { 6 => 128u, 7 => 1u << 14, 8 => 1u << 21, _ => 1u << 28 });
            Assert.Equal(length, LtxSegment.WriteIndexEntry(bytes, page, offset, frame));
            list.Write(bytes, 0, length);
            entries.Add(new PageIndexEntry(page++, offset, frame));
            offset += frame;
            left -= length;
        }

        list.WriteByte(0);
        byte[] end = new byte[24];
        BinaryPrimitives.WriteInt64BigEndian(end, list.Length);
        end[16] = 0x80;
        return [.. new byte[offset], .. new byte[6], .. list.ToArray(), .. end];
    }
}
