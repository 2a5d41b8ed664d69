namespace Litestream.Ltx;

/// <summary>Which pages may follow each other in a file (ltx-format §4.3). Upstream checks this when writing only; we check both ways.</summary>
internal static class PageOrder
{
    /// <summary>Checks a page number against its predecessor in the file.</summary>
    /// <param name="header">Header of the file.</param>
    /// <param name="previous">The page before it; 0 at the start of the file.</param>
    /// <param name="pageNumber">The page.</param>
    /// <param name="file">Name of the file for messages.</param>
    /// <param name="offset">File offset of the page's frame.</param>
    /// <exception cref="LtxException">The page must not be here.</exception>
    internal static void Check(in LtxHeader header, uint previous, uint pageNumber, string? file, long offset)
    {
        CheckMember(header, pageNumber, file, offset);
        if (pageNumber <= previous)
        {
            throw new LtxException(LtxErrorKind.PageOrder, $"it follows page {previous}; page numbers must ascend", file, pageNumber, offset);
        }

        uint expected = LtxFormat.NextPage(previous, header.PageSize);
        if (header.IsSnapshot && pageNumber != expected)
        {
            throw new LtxException(LtxErrorKind.SnapshotIncomplete, $"the snapshot must have page {expected} here", file, pageNumber, offset);
        }
    }

    /// <summary>Checks that the database has such a page and that it is not the lock page.</summary>
    internal static void CheckMember(in LtxHeader header, uint pageNumber, string? file, long offset)
    {
        if (pageNumber == 0 || pageNumber > header.Commit)
        {
            throw new LtxException(LtxErrorKind.PageOrder, $"the database has {header.Commit} pages after this file", file, pageNumber, offset);
        }

        if (pageNumber == LtxFormat.LockPage(header.PageSize))
        {
            throw new LtxException(LtxErrorKind.PageOrder, "this is the lock page, which is never stored", file, pageNumber, offset);
        }
    }

    /// <summary>Checks that a snapshot ends with the last page of the database.</summary>
    internal static void CheckComplete(in LtxHeader header, uint last, string? file, long offset)
    {
        uint expected = LtxFormat.LastPage(header.Commit, header.PageSize);
        if (header.IsSnapshot && last != expected)
        {
            throw new LtxException(LtxErrorKind.SnapshotIncomplete, $"the snapshot ends after page {last}, the database has pages up to {expected}", file, offset: offset);
        }
    }
}
