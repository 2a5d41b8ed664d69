namespace Litestream.Ltx;

/// <summary>A database whose pages can be read.</summary>
public interface IPageSource
{
    /// <summary>Page size in bytes; 0 when the database is empty and has none yet.</summary>
    int PageSize { get; }

    /// <summary>Pages of the database. A file whose length is no multiple of the page size is an error, not a shorter database.</summary>
    uint PageCount { get; }

    /// <summary>Reads a page; the memory is valid until the next call.</summary>
    /// <param name="pageNumber">From 1 to <see cref="PageCount"/>, never the lock page.</param>
    ReadOnlySpan<byte> ReadPage(uint pageNumber);
}
