using Litestream.Ltx;
using Litestream.Sqlite;

namespace Litestream.Capture;

/// <summary>Copies every page of a database as of the current read transaction of a connection (replication §8.7, <c>sqlite_dbpage</c>).</summary>
internal static class DatabaseCopy
{
    /// <summary>Writes pages 1 to <paramref name="commit"/> without the lock page, and fails if one is missing.</summary>
    public static void WritePages(SqliteConnection connection, uint commit, LtxWriter writer, CancellationToken cancellationToken)
    {
        uint lockPage = LtxFormat.LockPage(connection.PageSize);
        uint expected = 1;
        using DatabasePageReader pages = connection.OpenPages();
        using var output = new LtxParallelWriter(writer);
        while (pages.MoveNext())
        {
            cancellationToken.ThrowIfCancellationRequested();
            uint pageNumber = pages.PageNumber;
            if (pageNumber == lockPage)
            {
                expected = pageNumber + 1;
                continue;
            }

            if (expected == lockPage)
            {
                expected++;
            }

            if (pageNumber != expected || pageNumber > commit)
            {
                throw new InvalidDataException($"full copy: page {pageNumber} where {expected} of {commit} was expected");
            }

            output.WritePage(pageNumber, pages.Page);
            expected = pageNumber + 1;
        }

        output.Complete();
        if (expected == lockPage && commit == lockPage)
        {
            expected++;
        }

        if (expected != commit + 1)
        {
            throw new InvalidDataException($"full copy: the database ended before page {expected} of {commit}");
        }
    }
}
