namespace Litestream.Ltx;

/// <summary>
/// Checksums of pages and databases (ltx-format §7.2, §7.3). The rolling checksum of a database is the XOR of its page checksums,
/// highest bit set; so it can be updated page by page, in any order.
/// </summary>
public static class DatabaseChecksum
{
    /// <summary>The rolling checksum of a database without pages.</summary>
    public const ulong Empty = LtxFormat.ChecksumFlag;

    /// <summary>Checksum of one page.</summary>
    /// <param name="pageNumber">The page; not the lock page, which no checksum covers.</param>
    /// <param name="page">Exactly one page of a valid size.</param>
    public static ulong OfPage(uint pageNumber, ReadOnlySpan<byte> page) =>
        LtxFormat.ChecksumFlag | LtxSegment.PageChecksum(pageNumber, Crc64.Append(0, page), Crc64.AdvanceFactor(page.Length));

    /// <summary>
    /// Adds a page checksum to a rolling checksum, or takes it out again: the operation is its own inverse.
    /// </summary>
    /// <param name="rolling">Rolling checksum.</param>
    /// <param name="pageChecksum">From <see cref="OfPage"/>.</param>
    public static ulong Toggle(ulong rolling, ulong pageChecksum) => LtxFormat.ChecksumFlag | (rolling ^ pageChecksum);

    /// <summary>The rolling checksum of a whole database; every page is read.</summary>
    /// <param name="database">The database.</param>
    public static ulong OfDatabase(IPageSource database)
    {
        ulong rolling = Empty;
        for (uint page = 1; page != 0 && page <= database.PageCount; page++)
        {
            if (page != LtxFormat.LockPage(database.PageSize))
            {
                rolling = Toggle(rolling, OfPage(page, database.ReadPage(page)));
            }
        }

        return rolling;
    }

    /// <summary>Whether two rolling checksums agree. 0 and the bare flag both mean "empty": some tools write the one, some the other.</summary>
    /// <param name="a">Rolling checksum.</param>
    /// <param name="b">Rolling checksum.</param>
    public static bool AreEqual(ulong a, ulong b) => (a == 0 ? Empty : a) == (b == 0 ? Empty : b);
}
