namespace Litestream.Sqlite;

/// <summary>
/// All pages of a database in ascending order, exactly as its connection's read transaction sees them: through the WAL, in
/// constant memory, while others write and checkpoint. The lock page comes as zeros; callers skip it.
/// </summary>
public sealed class DatabasePageReader : IDisposable
{
    /// <summary>
    /// Pages after which SQLite's cache is emptied: none is read twice, and two megabytes once allocated stay with the process, however
    /// soon they are freed.
    /// </summary>
    private const uint CachedPages = 32;

    private readonly SqliteConnection _connection;
    private readonly Statement _statement;
    private readonly int _pageSize;
    private bool _disposed;

    internal DatabasePageReader(SqliteConnection connection)
    {
        _connection = connection;
        _pageSize = connection.PageSize;
        _statement = new Statement(connection, "SELECT pgno, data FROM sqlite_dbpage", persistent: false);
    }

    /// <summary>Number of the current page, from 1.</summary>
    public uint PageNumber { get; private set; }

    /// <summary>Content of the current page, page-size bytes, valid until the next <see cref="MoveNext"/>.</summary>
    public ReadOnlySpan<byte> Page
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            ReadOnlySpan<byte> page = _statement.Blob(1);
            if (page.Length != _pageSize)
            {
                throw new InvalidDataException($"page {PageNumber} of {_connection.Path} has {page.Length} bytes, the page size is {_pageSize}");
            }

            return page;
        }
    }

    /// <summary>Goes to the next page; false after the last one.</summary>
    /// <exception cref="SqliteException">The page cannot be read.</exception>
    /// <exception cref="InvalidDataException">Pages come out of order: the copy would be incomplete.</exception>
    public bool MoveNext()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!_statement.Step())
        {
            return false;
        }

        long next = _statement.Int64(0);
        if (next != PageNumber + 1L)
        {
            throw new InvalidDataException($"page {next} of {_connection.Path} follows page {PageNumber}");
        }

        PageNumber = (uint)next;
        if (PageNumber % CachedPages == 0)
        {
            _connection.ReleasePages();
        }

        return true;
    }

    /// <summary>Ends the reading and gives back the memory of pages and schema; the transaction goes on.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _statement.Dispose();
            _connection.PageReaderClosed(this);
        }
    }
}
