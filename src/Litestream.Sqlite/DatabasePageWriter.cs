using System.Buffers.Binary;
using Litestream.Sqlite.Interop;

namespace Litestream.Sqlite;

/// <summary>
/// Replaces pages of a database in transactions of SQLite's rollback journal (decision D2): other processes see the whole change or
/// nothing of it. After a kill in the middle the next one that opens the database finds a hot journal and rolls back. Every commit
/// gives the database a new change counter, so that readers drop what they have cached. Used by one thread at a time.
/// </summary>
/// <remarks>
/// SQLite itself writes the journal, takes the locks and syncs: pages go in through <c>sqlite_dbpage</c>. The connection lives as
/// long as this object; nobody in this process may open and close the file in any other way meanwhile (replication trap C1).
/// </remarks>
public sealed unsafe class DatabasePageWriter : IDisposable
{
    private const int PageCountOffset = 28;
    private const int WriteVersionOffset = 18;
    private const int ReadVersionOffset = 19;

    /// <summary>Pages that SQLite keeps in memory; more are written early, for which it must be alone (see <see cref="TryBegin"/>).</summary>
    private const int CacheKibibytes = 16 << 10;

    private static readonly TimeSpan TailWait = TimeSpan.FromSeconds(1);

    private readonly SqliteConnection _connection;
    private readonly Statement _write;
    private readonly Statement _read;
    private readonly Statement _commit;
    private readonly byte[] _first;
    private bool _hasFirst;
    private long? _version;

    private DatabasePageWriter(SqliteConnection connection)
    {
        _connection = connection;
        connection.TurnOffAutoVacuum();

        // EXTRA: the removal of the journal, too, is durable before a commit returns.
        connection.Execute("PRAGMA synchronous = EXTRA");
        connection.Execute($"PRAGMA cache_size = -{CacheKibibytes}");
        PageSize = connection.PageSize;
        _first = new byte[PageSize];
        _write = new Statement(connection, "INSERT INTO sqlite_dbpage(pgno, data) VALUES(?1, ?2)", persistent: true);
        _read = new Statement(connection, "SELECT data FROM sqlite_dbpage WHERE pgno = ?1", persistent: true);
        _commit = new Statement(connection, "COMMIT", persistent: true);
    }

    /// <summary>Absolute path of the database.</summary>
    public string Path => _connection.Path;

    /// <summary>Page size in bytes, 512 to 65536.</summary>
    public int PageSize { get; }

    /// <summary>Bytes of pages that a transaction can replace in memory while readers read on.</summary>
    public static long CacheBytes => CacheKibibytes << 10;

    /// <summary>Pages of the database when the current transaction began.</summary>
    public uint PageCount { get; private set; }

    /// <summary>
    /// Whether somebody else has changed the database since the last commit of this writer; known from the first commit on, and
    /// looked at when a transaction begins.
    /// </summary>
    public bool IsChangedByOthers { get; private set; }

    /// <summary>Opens a database. One in WAL mode is switched to a rollback journal first.</summary>
    /// <param name="path">Absolute path of an existing database.</param>
    /// <exception cref="SqliteException">It cannot be opened or written, others are using its WAL, or it is no database.</exception>
    public static DatabasePageWriter Open(string path)
    {
        // An ordinary connection for the switch: ours would leave the -wal file, and where there is one SQLite reads it, whatever the
        // header says.
        using (SqliteConnection ordinary = SqliteConnection.OpenOrdinary(path))
        {
            string mode = ordinary.QueryText("PRAGMA journal_mode = delete") ?? "";
            if (mode != "delete")
            {
                throw new SqliteException(SqliteConstants.Busy, SqliteConstants.Busy,
                    $"open {path}: the database stays in {mode} mode; close the connections that others have to it");
            }
        }

        SqliteConnection connection = SqliteConnection.Open(path, new SqliteOpenOptions());
        try
        {
            var writer = new DatabasePageWriter(connection);
            writer.CutTail();
            return writer;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Begins a transaction. A hot journal that a killed writer left is rolled back here.</summary>
    /// <param name="alone">
    /// True keeps readers out from now on, which a change of more than <see cref="CacheBytes"/> needs: SQLite then writes pages to
    /// the file before the commit. False lets them read on until the commit.
    /// </param>
    /// <param name="wait">How long to wait for others at most; they are kept from beginning anew meanwhile when alone.</param>
    /// <returns>False when others hold the database: nothing is open then.</returns>
    public bool TryBegin(bool alone, TimeSpan wait)
    {
        _connection.SetBusyTimeout(wait);
        using (var begin = new Statement(_connection, alone ? "BEGIN EXCLUSIVE" : "BEGIN IMMEDIATE", persistent: false))
        {
            int code = begin.TryStep();
            if ((code & 0xff) == SqliteConstants.Busy)
            {
                return false;
            }

            if (code != SqliteConstants.Done)
            {
                throw _connection.Failure(code, "begin to apply pages to");
            }
        }

        _hasFirst = false;
        PageCount = checked((uint)_connection.QueryInt64("PRAGMA page_count"));
        IsChangedByOthers = _version is { } known && known != _connection.QueryInt64("PRAGMA data_version");
        return true;
    }

    /// <summary>Content of a page as this transaction sees it, valid until the next call; empty behind the end.</summary>
    /// <param name="page">From 1; not page 1 once it was written.</param>
    public ReadOnlySpan<byte> Read(uint page)
    {
        _read.Reset();
        return _read.Step(page) ? _read.Blob(0) : [];
    }

    /// <summary>Replaces a page, also one behind the present end. Page 1 is kept back until the commit.</summary>
    /// <param name="page">From 1, never the lock page.</param>
    /// <param name="content">Exactly one page.</param>
    public void Write(uint page, ReadOnlySpan<byte> content)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(content.Length, PageSize);
        if (page == 1)
        {
            content.CopyTo(_first);
            _hasFirst = true;
            return;
        }

        _read.Reset();
        fixed (byte* data = content)
        {
            _write.Run(page, data, content.Length);
        }
    }

    /// <summary>
    /// Gives the database its size and commits: pages, header and size become visible at once, and durable before this returns.
    /// </summary>
    /// <param name="pageCount">Pages of the database from now on, at least 1.</param>
    /// <param name="wait">How long to wait for readers at most; new ones are kept out meanwhile.</param>
    /// <returns>False when readers held the database all the time: roll back and try again later.</returns>
    public bool TryCommit(uint pageCount, TimeSpan wait)
    {
        ArgumentOutOfRangeException.ThrowIfZero(pageCount);

        // Page 1 carries the schema's version: with it written, SQLite reads the schema anew before the next statement. It and the
        // cut come last, so that what is read then is complete. The cut must be the very last write, else it is forgotten.
        WriteFirst(pageCount);
        if (pageCount < PageCount)
        {
            _write.Run(pageCount + 1L, null, 0);
        }

        _connection.SetBusyTimeout(wait);
        int code = _commit.TryStep();
        _commit.Reset();
        if ((code & 0xff) == SqliteConstants.Busy)
        {
            return false;
        }

        if (code != SqliteConstants.Done)
        {
            throw _connection.Failure(code, "commit pages to");
        }

        _version = _connection.QueryInt64("PRAGMA data_version");
        return true;
    }

    /// <summary>Forgets the transaction; does nothing when none is open.</summary>
    public void Rollback()
    {
        _read.Reset();
        _connection.Rollback();
    }

    /// <summary>Closes the database; an open transaction is rolled back.</summary>
    public void Dispose()
    {
        _write.Dispose();
        _read.Dispose();
        _commit.Dispose();
        _connection.Dispose();
    }

    /// <summary>
    /// Gives the file the size that its header names. SQLite cuts after a commit, so a writer killed in that moment leaves a tail,
    /// which SQLite ignores for good but never removes. When readers are in the way it stays until the next start.
    /// </summary>
    private void CutTail()
    {
        if (TryBegin(alone: true, TailWait))
        {
            _connection.CutFile(PageCount * (long)PageSize);
            Rollback();
        }
    }

    private void WriteFirst(uint pageCount)
    {
        Span<byte> page = _first;
        if (!_hasFirst)
        {
            Read(1).CopyTo(page);
        }

        // A rollback journal is what every reader understands without files that it may not be allowed to create (F1). The counters
        // at 24 and 92 are SQLite's to set, at every commit (F2).
        page[WriteVersionOffset] = 1;
        page[ReadVersionOffset] = 1;
        BinaryPrimitives.WriteUInt32BigEndian(page[PageCountOffset..], pageCount);
        _read.Reset();
        fixed (byte* data = page)
        {
            _write.Run(1, data, page.Length);
        }
    }
}
