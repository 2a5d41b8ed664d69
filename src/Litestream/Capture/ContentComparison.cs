using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.State;

namespace Litestream.Capture;

/// <summary>
/// Whether a database is, page for page, what its newest level-0 file holds. Only a full copy can say so; an ordinary increment is
/// ruled out at its first missing page. One reading of both, nothing kept in memory, and the end at the first difference.
/// </summary>
internal static class ContentComparison
{
    /// <summary>Compares all pages as of the current read transaction of the connection.</summary>
    public static bool IsCopyOf(LocalLtxDirectory directory, in LtxHeader file, SqliteConnection connection)
    {
        if (file.PageSize != connection.PageSize || file.Commit != connection.PageCount)
        {
            return false;
        }

        using Stream stream = directory.Open(file.MaxTxid);
        using var reader = new LtxReader(stream, directory.PathOf(file.MaxTxid), leaveOpen: true);
        using DatabasePageReader pages = connection.OpenPages();
        reader.ReadHeader();
        uint lockPage = LtxFormat.LockPage(file.PageSize);
        while (pages.MoveNext())
        {
            if (pages.PageNumber == lockPage)
            {
                continue;
            }

            if (!reader.ReadPage() || reader.PageNumber != pages.PageNumber || !reader.Page.SequenceEqual(pages.Page))
            {
                return false;
            }
        }

        return !reader.ReadPage();
    }
}
