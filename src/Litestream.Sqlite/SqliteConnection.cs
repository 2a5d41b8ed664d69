using System.Runtime.InteropServices;
using Litestream.Sqlite.Interop;

namespace Litestream.Sqlite;

/// <summary>
/// One connection to one database file, set up so that it never changes or hinders it: no checkpoint by itself, no checkpoint
/// or WAL removal at close (replication §2 and §8.7 rule 8). Used by one thread at a time. Must be disposed.
/// </summary>
public sealed unsafe class SqliteConnection : IDisposable
{
    private static ReadOnlySpan<byte> Main => "main\0"u8;

    private readonly TimeProvider _clock;
    private Statement? _begin;
    private Statement? _read;
    private Statement? _commit;
    private DatabasePageReader? _pages;
    private bool _hasRead;
    private nint _db;

    private SqliteConnection(string path, SqliteOpenOptions options)
    {
        Path = path;
        BusyTimeout = options.BusyTimeout;
        _clock = options.Clock;
    }

    /// <summary>Absolute path of the database file.</summary>
    public string Path { get; }

    /// <summary>
    /// The database file that SQLite uses, symbolic links resolved: its <c>-wal</c> and <c>-shm</c> are beside this one (trap B46).
    /// </summary>
    public string FileName => Marshal.PtrToStringUTF8((nint)NativeMethods.DbFileName(Handle, MainName)) is { Length: > 0 } name ? name : Path;

    /// <summary>How long SQLite waits for locks on this connection, blocking its thread.</summary>
    public TimeSpan BusyTimeout
    {
        get;
        set
        {
            field = value;
            if (_db != 0)
            {
                SetBusyTimeout(value);
            }
        }
    }

    /// <summary>Whether a transaction holds a lock on the database, as SQLite itself sees it.</summary>
    public bool InTransaction => NativeMethods.TransactionState(Handle, MainName) != SqliteConstants.TransactionNone;

    /// <summary>Page size in bytes, 512-65536. Exact once a read transaction has begun.</summary>
    public int PageSize => checked((int)QueryInt64("PRAGMA page_size"));

    /// <summary>Pages of the database as the current read transaction sees it.</summary>
    public uint PageCount => TryGetPosition(out WalPosition position) && position.PageCount > 0
        ? position.PageCount
        : checked((uint)QueryInt64("PRAGMA page_count"));

    internal nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_db == 0, this);
            return _db;
        }
    }

    private static byte* MainName => (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetReference(Main));

    /// <summary>Opens a database by its plain file name (trap B13: no URI, so <c>?</c>, <c>#</c> and <c>%</c> are ordinary).</summary>
    /// <param name="path">Absolute path.</param>
    /// <param name="options">Time-outs and creation.</param>
    /// <exception cref="SqliteException">The file is missing, cannot be opened for reading and writing, or a setting is refused.</exception>
    public static SqliteConnection Open(string path, SqliteOpenOptions options)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.BusyTimeout.Ticks);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.BusyTimeout.TotalMilliseconds, int.MaxValue);
        if (!System.IO.Path.IsPathRooted(path) || path.Contains('\0', StringComparison.Ordinal))
        {
            // Relative names include ":memory:" and "", which are no files at all.
            throw new ArgumentException($"an absolute path is needed, not '{path}'", nameof(path));
        }

        SqliteLibrary.Initialize();
        var connection = new SqliteConnection(path, options);
        try
        {
            connection.OpenHandle(options.Create);
            connection.Configure();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Runs one statement to its end.</summary>
    public void Execute(string sql)
    {
        using var statement = new Statement(this, sql, persistent: false);
        statement.Run();
    }

    /// <summary>First column of the first row as a number; 0 when NULL.</summary>
    /// <exception cref="InvalidOperationException">The statement gives no row.</exception>
    public long QueryInt64(string sql)
    {
        using var statement = new Statement(this, sql, persistent: false);
        return statement.Step() ? statement.Int64(0) : throw new InvalidOperationException($"no row from {sql}");
    }

    /// <summary>First column of the first row as text; null when NULL or when there is no row.</summary>
    public string? QueryText(string sql)
    {
        using var statement = new Statement(this, sql, persistent: false);
        return statement.Step() ? statement.Text(0) : null;
    }

    /// <summary>
    /// Switches the database to WAL mode if it is not in it, and returns the mode it is in now: <c>wal</c> on success. The switch
    /// needs the database for itself for a moment.
    /// </summary>
    /// <exception cref="SqliteException">Busy, or the file is no database.</exception>
    public string EnableWal()
    {
        string mode = QueryText("PRAGMA journal_mode = wal") ?? "";
        ReleaseMemory();
        return mode;
    }

    /// <summary>
    /// Begins a read transaction and really reads, so that the read lock is taken now (a deferred BEGIN alone takes none; replication
    /// §2 step 8). <c>user_version</c> never loads the schema, so a schema that does not parse costs nothing here.
    /// </summary>
    /// <exception cref="SqliteException">The lock was not got; no transaction is open then.</exception>
    public void BeginRead()
    {
        _begin ??= new Statement(this, "BEGIN", persistent: true);
        _read ??= new Statement(this, "PRAGMA user_version", persistent: true);
        _begin.Run();
        try
        {
            _read.Step();
        }
        catch
        {
            EndRead();
            throw;
        }

        _read.Reset();
        _hasRead = true;
    }

    /// <summary>Ends the read transaction. Does nothing when none is open (trap A14).</summary>
    public void EndRead()
    {
        _pages?.Dispose();
        if (_db != 0 && NativeMethods.GetAutoCommit(_db) == 0)
        {
            _commit ??= new Statement(this, "COMMIT", persistent: true);
            _commit.Run();
        }
    }

    /// <summary>The exact position that the current read transaction sees.</summary>
    /// <param name="position">The position, when there is one.</param>
    /// <returns>False when the WAL has no header yet ("empty"), or the database is not in WAL mode.</returns>
    /// <exception cref="InvalidOperationException">No transaction is open.</exception>
    public bool TryGetPosition(out WalPosition position)
    {
        if (!InTransaction)
        {
            throw new InvalidOperationException($"a position needs a read transaction on {Path}");
        }

        int code = NativeMethods.SnapshotGet(_db, MainName, out byte* snapshot);
        if (code == SqliteConstants.Ok)
        {
            position = WalPosition.FromSnapshot(new ReadOnlySpan<byte>(snapshot, SqliteConstants.SnapshotSize));
            NativeMethods.SnapshotFree(snapshot);
            return true;
        }

        position = default;
        return code == SqliteConstants.Error ? false : throw Failure(code, "get WAL position");
    }

    /// <summary>
    /// Runs a checkpoint. A connection that never read gets OK and -1 from SQLite without anything being done, so such a one reads
    /// first (replication §8.7 rule 5).
    /// </summary>
    /// <param name="mode">Which checkpoint.</param>
    /// <param name="busyTimeout">How long to wait for locks this time; null = as opened.</param>
    /// <exception cref="SqliteException">Failures other than busy; a transaction of this connection is one (LOCKED).</exception>
    public CheckpointResult Checkpoint(CheckpointMode mode, TimeSpan? busyTimeout = null)
    {
        if (!_hasRead)
        {
            BeginRead();
            EndRead();
        }

        SetBusyTimeout(busyTimeout ?? BusyTimeout);
        int code = NativeMethods.WalCheckpoint(Handle, MainName, (int)mode, out int log, out int backfilled);
        SetBusyTimeout(BusyTimeout);
        return (code & 0xff) switch
        {
            SqliteConstants.Ok => new CheckpointResult(false, log, backfilled),
            SqliteConstants.Busy => new CheckpointResult(true, log, backfilled),
            _ => throw Failure(code, $"checkpoint ({mode})"),
        };
    }

    /// <summary>
    /// Tries to take the write lock (BEGIN IMMEDIATE) in short steps: the lock of a busy database is free for moments only, which
    /// the growing pauses of SQLite's own waiting miss.
    /// </summary>
    /// <param name="limit">How long to try at most; 0 = once.</param>
    /// <returns>True with the transaction open; false when others kept the lock.</returns>
    public bool TryBeginImmediate(TimeSpan limit)
    {
        using var statement = new Statement(this, "BEGIN IMMEDIATE", persistent: false);
        long start = _clock.GetTimestamp();
        SetBusyTimeout(TimeSpan.Zero);
        try
        {
            for (int attempt = 0; ; attempt++)
            {
                int code = statement.TryStep();
                if (code == SqliteConstants.Done)
                {
                    _hasRead = true;
                    return true;
                }

                if ((code & 0xff) != SqliteConstants.Busy)
                {
                    throw Failure(code, "BEGIN IMMEDIATE");
                }

                if (_clock.GetElapsedTime(start) >= limit)
                {
                    return false;
                }

                Thread.Sleep(attempt < 20 ? 0 : 1);
            }
        }
        finally
        {
            SetBusyTimeout(BusyTimeout);
        }
    }

    /// <summary>Rolls back the open transaction. Does nothing when none is open.</summary>
    public void Rollback()
    {
        _pages?.Dispose();
        if (_db != 0 && NativeMethods.GetAutoCommit(_db) == 0)
        {
            Execute("ROLLBACK");
        }
    }

    /// <summary>Opens a reader over all pages in the current read transaction. One at a time; ended with the transaction.</summary>
    /// <exception cref="InvalidOperationException">No transaction is open, or another reader is.</exception>
    public DatabasePageReader OpenPages()
    {
        if (!InTransaction || _pages is not null)
        {
            throw new InvalidOperationException($"reading the pages of {Path} needs a read transaction and no other page reader");
        }

        return _pages = new DatabasePageReader(this);
    }

    /// <summary>Drops cached pages and the schema of this connection, for one that idles from now on.</summary>
    public void ReleaseMemory()
    {
        Execute("PRAGMA writable_schema = RESET");
        Execute("PRAGMA writable_schema = ON");
        ReleasePages();
    }

    /// <summary>Closes the connection; an open transaction ends. Leaves <c>-wal</c> and <c>-shm</c> in place.</summary>
    public void Dispose()
    {
        if (_db == 0)
        {
            return;
        }

        _pages?.Dispose();
        _begin?.Dispose();
        _read?.Dispose();
        _commit?.Dispose();
        _ = NativeMethods.Close(_db);
        _db = 0;
    }

    /// <summary>A connection with SQLite's ordinary settings: sees schema errors, and its close removes the WAL files.</summary>
    internal static SqliteConnection OpenOrdinary(string path)
    {
        SqliteLibrary.Initialize();
        var connection = new SqliteConnection(path, new SqliteOpenOptions());
        try
        {
            connection.OpenHandle(create: false);
            connection.SetBusyTimeout(connection.BusyTimeout);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    internal List<string> QueryLines(string sql)
    {
        using var statement = new Statement(this, sql, persistent: false);
        var lines = new List<string>();
        while (statement.Step())
        {
            lines.Add(statement.Text(0) ?? "");
        }

        return lines;
    }

    /// <summary>Makes a running statement fail; the one call that may come from another thread.</summary>
    internal void Interrupt() => NativeMethods.Interrupt(Handle);

    /// <summary>
    /// Keeps SQLite from moving pages by itself at a commit: the free pages of a database in auto-vacuum mode belong to the source.
    /// </summary>
    internal void TurnOffAutoVacuum() =>
        Check(NativeMethods.AutoVacuumPages(Handle, &KeepAllPages, 0, 0), "turn off auto-vacuum of");

    /// <summary>
    /// Cuts the database file, if it is longer, through SQLite's own descriptor: closing one of ours would drop its locks (trap C1).
    /// Only while this connection is alone.
    /// </summary>
    internal void CutFile(long size)
    {
        Check(NativeMethods.FileControl(Handle, MainName, SqliteConstants.FileControlFilePointer, out SqliteFile* file), "find the file of");
        Check(file->Methods->FileSize(file, out long actual), "look at the size of");
        if (actual > size)
        {
            Check(file->Methods->Truncate(file, size), "cut");
        }
    }

    /// <summary>How long the next calls wait for locks.</summary>
    internal void SetBusyTimeout(TimeSpan timeout) =>
        Check(NativeMethods.BusyTimeout(Handle, (int)Math.Ceiling(timeout.TotalMilliseconds)), "set the busy timeout of");

    /// <summary>Drops the cached pages that nothing uses at this moment.</summary>
    internal void ReleasePages() => _ = NativeMethods.DbReleaseMemory(Handle);

    internal void PageReaderClosed(DatabasePageReader reader)
    {
        if (_pages == reader && _db != 0)
        {
            _pages = null;
            ReleaseMemory();
        }
    }

    internal SqliteException Failure(int code, string operation) => SqliteException.From(_db, code, operation, Path);

    private void OpenHandle(bool create)
    {
        int flags = SqliteConstants.OpenReadWrite | SqliteConstants.OpenNoMutex | SqliteConstants.OpenExtendedResultCodes
            | (create ? SqliteConstants.OpenCreate : 0);
        Check(NativeMethods.Open(Path, out _db, flags, 0), "open");
    }

    private void Configure()
    {
        SetBusyTimeout(BusyTimeout);
        Check(NativeMethods.WalAutoCheckpoint(_db, 0), "turn off auto-checkpoints of");
        int persist = 1;
        Check(NativeMethods.FileControl(_db, MainName, SqliteConstants.FileControlPersistWal, ref persist), "make the WAL persistent for");
        Check(NativeMethods.DbConfig(_db, SqliteConstants.ConfigNoCheckpointOnClose, 1), "turn off the checkpoint at close of");
        if (NativeMethods.DbReadOnly(_db, MainName) != 0 || !FilePermission.IsWritableOrMissing(Path + "-shm"))
        {
            throw new SqliteException(8, 8,
                $"open {Path}: the file or its -shm is not writable for this user; a read lock that other processes respect needs write access");
        }

        // Copies must work whatever the schema says (an application's unknown module, a damaged CREATE text): with this flag
        // SQLite keeps what parses and goes on. Nothing is ever written through it.
        Execute("PRAGMA writable_schema = ON");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static uint KeepAllPages(nint argument, byte* schema, uint pages, uint free, uint pageSize) => 0;

    private void Check(int code, string operation)
    {
        if (code != SqliteConstants.Ok)
        {
            throw Failure(code, operation);
        }
    }
}
