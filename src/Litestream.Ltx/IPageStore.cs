namespace Litestream.Ltx;

/// <summary>A database that files are applied to.</summary>
public interface IPageStore : IPageSource
{
    /// <summary>Writes one page, also beyond the present end.</summary>
    /// <param name="pageNumber">The page, from 1.</param>
    /// <param name="page">Exactly one page.</param>
    void WritePage(uint pageNumber, ReadOnlySpan<byte> page);

    /// <summary>Cuts or extends the database; pages that were never written read as zeros.</summary>
    /// <param name="pageCount">Pages of the database.</param>
    /// <param name="pageSize">Bytes of every page.</param>
    void SetPageCount(uint pageCount, int pageSize);
}
