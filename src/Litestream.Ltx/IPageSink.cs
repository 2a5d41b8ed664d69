namespace Litestream.Ltx;

/// <summary>Takes the pages of a database that is being built, in ascending order and without gaps.</summary>
public interface IPageSink
{
    /// <summary>
    /// Memory for a page, to be filled before the next call; its previous content is undefined. The page belongs at
    /// (<paramref name="pageNumber"/> - 1) * page size: compute that with 64 bits.
    /// </summary>
    /// <param name="pageNumber">The page, from 1.</param>
    /// <param name="pageSize">Bytes of every page.</param>
    Span<byte> Reserve(uint pageNumber, int pageSize);

    /// <summary>All pages were reserved and filled, and every check of their source has passed.</summary>
    /// <param name="pageCount">Pages of the database; 0 for an empty one.</param>
    /// <param name="pageSize">Bytes of every page.</param>
    void Complete(uint pageCount, int pageSize);
}
