using Litestream.Sqlite;

namespace Litestream.Capture;

/// <summary>
/// The standing read transaction that keeps the WAL from being restarted, and its hand-over between two connections
/// (replication §8.7 rules 1 and 5). There is no moment without a lock. Nothing is written and no lock against writers is taken.
/// </summary>
internal sealed class ReadLock : IDisposable
{
    private readonly string path;
    private readonly SqliteOpenOptions options;
    private SqliteConnection holder;
    private SqliteConnection? next;
    private SqliteConnection? checkpointer;
    private WalPosition? begun;
    private WalPosition? settled;

    private ReadLock(string path, SqliteOpenOptions options, SqliteConnection holder)
    {
        this.path = path;
        this.options = options;
        this.holder = holder;
    }

    /// <summary>The exact position of the lock ("m"); null while the WAL has no header.</summary>
    public WalPosition? Position { get; private set; }

    /// <summary>The connection that holds the lock.</summary>
    public SqliteConnection Holder => holder;

    /// <summary>True while the transaction of the lock stands. SQLite rolls it back by itself after some I/O errors.</summary>
    public bool IsHeld => holder.InTransaction;

    /// <summary>
    /// Opens the database, makes sure that it is in WAL mode (the one thing we ever write) and begins the first lock. Does not wait for
    /// locks of others: a thread that sleeps in SQLite would be one that other databases need.
    /// </summary>
    /// <param name="path">Absolute path.</param>
    /// <param name="busyTimeout">Of every connection from then on.</param>
    /// <exception cref="SqliteException">Busy: an application holds the database exclusively, or SQLite is recovering the WAL.</exception>
    public static ReadLock Acquire(string path, TimeSpan busyTimeout)
    {
        var options = new SqliteOpenOptions { BusyTimeout = busyTimeout };
        SqliteConnection holder = SqliteConnection.Open(path, new SqliteOpenOptions { BusyTimeout = TimeSpan.Zero });
        try
        {
            EnsureWalMode(holder, path);
            holder.BeginRead();
            holder.BusyTimeout = busyTimeout;
            var readLock = new ReadLock(path, options, holder);
            readLock.Position = PositionOf(holder);
            return readLock;
        }
        catch
        {
            holder.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Begins a read transaction on the other connection: the target of a pass, and the next lock once all up to its position is captured.
    /// </summary>
    public SqliteConnection BeginNext(out WalPosition? position)
    {
        next ??= SqliteConnection.Open(path, options);
        next.BeginRead();
        try
        {
            begun = position = PositionOf(next);
            return next;
        }
        catch
        {
            next.EndRead();
            throw;
        }
    }

    /// <summary>Ends the transaction begun last; the old lock stays.</summary>
    public void AbandonNext() => next?.EndRead();

    /// <summary>
    /// Ends the old lock, so that the transaction begun last is the lock. The caller has captured everything up to its position.
    /// If the WAL was restarted between the two, the old one may only end after a PASSIVE of ours was not refused: an application's
    /// unpatched checkpointer that still works from the old header holds the checkpoint lock, and would corrupt the database if the
    /// WAL could be restarted once more under it (§8.7 rule 5, §17). Any PASSIVE since the new generation was first seen will do: while
    /// the old lock stands, nothing of that generation is backfilled, so it is not restarted, and whoever begins later reads its header.
    /// </summary>
    /// <returns>False if the old lock had to stay; try the whole hand-over again later.</returns>
    public bool TryHandOver(WalPosition? position)
    {
        SqliteConnection following = next ?? throw new InvalidOperationException("no transaction was begun");
        if (position is { } p && !IsSameGeneration(p, Position) && !IsSameGeneration(p, settled)
            && Checkpoint(CheckpointMode.Passive) is not { Busy: false, HasRun: true })
        {
            following.EndRead();
            return false;
        }

        holder.EndRead();
        (holder, next) = (following, holder);
        Position = position;
        return true;
    }

    /// <summary>Runs a checkpoint on a third connection: one inside a transaction cannot.</summary>
    public CheckpointResult Checkpoint(CheckpointMode mode, TimeSpan? busyTimeout = null)
    {
        if (checkpointer is null)
        {
            checkpointer = SqliteConnection.Open(path, options);
            checkpointer.QueryInt64("PRAGMA user_version");
        }

        CheckpointResult result = checkpointer.Checkpoint(mode, busyTimeout);
        if (!result.HasRun && !result.Busy)
        {
            // A connection that never read the database answers OK and -1, -1 without doing anything (§8.7 rule 5): no answer.
            checkpointer.QueryInt64("PRAGMA user_version");
            result = checkpointer.Checkpoint(mode, busyTimeout);
        }

        if (mode == CheckpointMode.Passive && result is { Busy: false, HasRun: true })
        {
            settled = begun;
        }

        return result;
    }

    /// <summary>Opens one more connection: for the fallback's write lock, or for a copy of the database.</summary>
    public SqliteConnection OpenConnection() => SqliteConnection.Open(path, options);

    /// <summary>Closes what an idle database does not need: all but the holder.</summary>
    public void Trim()
    {
        next?.Dispose();
        checkpointer?.Dispose();
        next = checkpointer = null;
    }

    /// <summary>Releases the lock. Every connection was opened so that the last close neither checkpoints nor removes the WAL (§8.7 rule 8).</summary>
    public void Dispose()
    {
        Trim();
        holder.Dispose();
    }

    private static void EnsureWalMode(SqliteConnection connection, string path)
    {
        if (connection.QueryText("PRAGMA journal_mode") == "wal")
        {
            return;
        }

        string? mode = connection.QueryText("PRAGMA journal_mode = wal");
        if (mode != "wal")
        {
            throw new InvalidOperationException(
                $"cannot switch {path} to WAL mode (journal mode is '{mode}'); run 'PRAGMA journal_mode = wal' on it once while nobody uses it");
        }
    }

    private static bool IsSameGeneration(in WalPosition position, in WalPosition? other) =>
        other is { } known && position.Salt1 == known.Salt1 && position.Salt2 == known.Salt2;

    private static WalPosition? PositionOf(SqliteConnection connection) =>
        connection.TryGetPosition(out WalPosition position) ? position : null;
}
