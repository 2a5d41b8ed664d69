using Litestream.Ltx;
using Litestream.Sqlite;

namespace Litestream.TestKit.Databases;

/// <summary>
/// A database page by page as one read transaction sees it: sizes and a checksum of every page. Nothing is ignored, so two equal
/// digests are two equal databases.
/// </summary>
public sealed class PageDigest
{
    private readonly ulong[] _pages;

    private PageDigest(int pageSize, ulong[] pages)
    {
        PageSize = pageSize;
        _pages = pages;
    }

    /// <summary>Page size in bytes.</summary>
    public int PageSize { get; }

    /// <summary>Number of pages.</summary>
    public int PageCount => _pages.Length;

    /// <summary>Reads a database through SQLite, its WAL included.</summary>
    public static PageDigest Of(string path)
    {
        using SqliteConnection connection = SqliteConnection.Open(path, new SqliteOpenOptions { BusyTimeout = TimeSpan.FromSeconds(10) });
        connection.BeginRead();
        int pageSize = connection.PageSize;
        var pages = new List<ulong>();
        using (DatabasePageReader reader = connection.OpenPages())
        {
            while (reader.MoveNext())
            {
                pages.Add(Crc64.Append(0, reader.Page));
            }
        }

        return new PageDigest(pageSize, [.. pages]);
    }

    /// <summary>Reads a file that is a whole database by itself, byte by byte, without SQLite.</summary>
    /// <exception cref="InvalidDataException">The file is no database, or not a whole number of pages.</exception>
    public static PageDigest OfFile(string path)
    {
        using FileStream file = File.OpenRead(path);
        byte[] start = new byte[DatabaseHeader.Size];
        if (file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) < start.Length || !DatabaseHeader.TryParse(start, out DatabaseHeader header)
            || file.Length % header.PageSize != 0)
        {
            throw new InvalidDataException($"{path}: {file.Length} bytes that are no whole database");
        }

        file.Position = 0;
        byte[] page = new byte[header.PageSize];
        ulong[] pages = new ulong[file.Length / header.PageSize];
        for (int i = 0; i < pages.Length; i++)
        {
            file.ReadExactly(page);
            pages[i] = Crc64.Append(0, page);
        }

        return new PageDigest(header.PageSize, pages);
    }

    /// <summary>Says in what two databases differ; null = in nothing.</summary>
    public string? Difference(PageDigest other)
    {
        if (PageSize != other.PageSize || PageCount != other.PageCount)
        {
            return $"{PageCount} pages of {PageSize} bytes against {other.PageCount} of {other.PageSize}";
        }

        int[] different = [.. Enumerable.Range(0, PageCount).Where(i => _pages[i] != other._pages[i]).Select(i => i + 1)];
        return different.Length == 0 ? null : $"{different.Length} of {PageCount} pages differ, the first are {string.Join(", ", different.Take(10))}";
    }
}
