using Xunit;

namespace Litestream.Sqlite.Tests;

/// <summary>Each state of the first bytes has its own meaning: "wait", "nothing yet" or "this is no WAL" (replication §5).</summary>
public class WalHeaderTests
{
    [Theory]
    [InlineData(512)]
    [InlineData(4096)]
    [InlineData(65536)]
    public void Accepts_every_page_size_as_it_is_stored(int pageSize)
    {
        byte[] header = WalChecksumTests.Header(WalFormat.MagicBigEndian, (uint)pageSize, 7, 3, 4);
        Assert.Equal(WalHeaderStatus.Valid, WalHeader.TryParse(header, out WalHeader parsed));
        Assert.Equal(pageSize, parsed.PageSize);
        Assert.Equal(7u, parsed.Sequence);
        Assert.True(parsed.BigEndianChecksum);
    }

    [Fact]
    public void Too_short_is_no_wal_yet() =>
        Assert.Equal(WalHeaderStatus.TooShort, WalHeader.TryParse(Valid().AsSpan(0, 31), out _));

    [Fact]
    public void Half_written_is_no_damage()
    {
        byte[] header = Valid();
        header.AsSpan(16).Clear();
        Assert.Equal(WalHeaderStatus.ChecksumMismatch, WalHeader.TryParse(header, out _));
        Assert.Equal(WalHeaderStatus.ChecksumMismatch, WalHeader.TryParse(new byte[32], out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(256)]
    [InlineData(131072)]
    public void Impossible_page_sizes_are_refused_even_with_a_good_checksum(uint pageSize) =>
        Assert.Equal(
            WalHeaderStatus.BadPageSize,
            WalHeader.TryParse(WalChecksumTests.Header(WalFormat.MagicLittleEndian, pageSize, 0, 1, 2), out _));

    [Fact]
    public void Another_magic_or_version_is_a_hard_error()
    {
        byte[] header = Valid();
        header[3] = 0x81;
        Assert.Equal(WalHeaderStatus.BadMagic, WalHeader.TryParse(header, out _));
        Assert.Equal(
            WalHeaderStatus.BadVersion,
            WalHeader.TryParse(WalChecksumTests.Header(WalFormat.MagicLittleEndian, 4096, 0, 1, 2, version: 3007001), out _));
    }

    [Theory]
    [InlineData(1, 4096, 4152)]
    [InlineData(1000, 4096, 4120032)]
    [InlineData(121359, 4096, 499999112)]
    [InlineData(121359, 65536, 7956296072)]
    public void Trap_C6_Sizes_are_64_bit(long frames, int pageSize, long size)
    {
        Assert.Equal(size, WalFormat.FileSize(frames, pageSize));
        Assert.Equal(size, WalFormat.FrameOffset(frames + 1, pageSize));
        Assert.Equal(frames, WalFormat.FramesBefore(size, pageSize));
        Assert.Equal(frames - 1, WalFormat.FramesBefore(size - 1, pageSize));
    }

    [Fact]
    public void Database_header_reads_what_sqlite_wrote()
    {
        byte[] page = new byte[100];
        "SQLite format 3\0"u8.CopyTo(page);
        page[16] = 0;
        page[17] = 1;
        page[18] = page[19] = 2;
        page[27] = 9;
        page[31] = 3;
        page[95] = 9;
        Assert.True(DatabaseHeader.TryParse(page, out DatabaseHeader header));
        Assert.Equal(new DatabaseHeader { PageSize = 65536, IsWal = true, PageCount = 3, IsPageCountValid = true, ChangeCounter = 9 }, header);
        Assert.False(DatabaseHeader.TryParse(page.AsSpan(0, 99), out _));
        page[17] = 3;
        Assert.False(DatabaseHeader.TryParse(page, out _));
        page[0] = 0;
        Assert.False(DatabaseHeader.TryParse(page, out _));
    }

    private static byte[] Valid() => WalChecksumTests.Header(WalFormat.MagicLittleEndian, 4096, 0, 1, 2);
}
