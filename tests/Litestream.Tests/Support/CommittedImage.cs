using Litestream.Sqlite;

namespace Litestream.Tests.Support;

/// <summary>
/// The committed content of a database, page by page, as SQLite itself reads it. A connection of the same copy of SQLite as the
/// replicator under test: opening the file in any other way would drop its locks when it is closed (traps C1, C10). Reading
/// the WAL file instead would be wrong besides: releases of SQLite leave a committed frame without checksum behind when a spilled
/// page is rewritten around a ROLLBACK TO, so that the file alone seems to end before it.
/// </summary>
internal static class CommittedImage
{
    public static byte[] Of(string databasePath)
    {
        using var connection = SqliteConnection.Open(databasePath, new SqliteOpenOptions());
        connection.BeginRead();
        byte[] image = new byte[(long)connection.PageCount * connection.PageSize];
        using DatabasePageReader pages = connection.OpenPages();
        while (pages.MoveNext())
        {
            pages.Page.CopyTo(image.AsSpan((int)((pages.PageNumber - 1) * (long)pages.Page.Length)));
        }

        return image;
    }
}
