using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Litestream.Workload;

/// <summary>The application's connections and tables.</summary>
internal static class Database
{
    private const int Busy = 5;
    private const int Locked = 6;

    internal static bool IsBusy(SqliteException failure) => failure.SqliteErrorCode is Busy or Locked;

    internal static SqliteConnection Open(Options options)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = options.Database,
            Pooling = false,
        }.ToString());
        connection.Open();
        Execute(connection, $"PRAGMA busy_timeout = {options.BusyTimeout}");
        return connection;
    }

    internal static void Create(SqliteConnection connection, Options options)
    {
        // Others may be doing the same, or somebody may hold the database: all of it can be repeated.
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                Execute(connection, $"PRAGMA page_size = {options.PageSize}");
                Execute(connection, $"PRAGMA auto_vacuum = {options.AutoVacuum}");
                Execute(connection, "PRAGMA journal_mode = wal");
                Execute(connection, "CREATE TABLE IF NOT EXISTS ack(writer INTEGER, n INTEGER, PRIMARY KEY(writer, n)) WITHOUT ROWID");
                Execute(connection, "CREATE TABLE IF NOT EXISTS item(id INTEGER PRIMARY KEY, writer INTEGER, k INTEGER, v BLOB)");
                Execute(connection, "CREATE INDEX IF NOT EXISTS item_k ON item(k)");
                return;
            }
            catch (SqliteException failure) when (IsBusy(failure) && attempt < 200)
            {
                Thread.Sleep(10);
            }
        }
    }

    internal static void Configure(SqliteConnection connection, Options options)
    {
        Execute(connection, $"PRAGMA synchronous = {options.Synchronous}");
        Execute(connection, $"PRAGMA wal_autocheckpoint = {options.AutoCheckpoint}");
    }

    // Straight on SQLite's functions: a command of the library repeats a busy statement by itself, for ever when its time-out is 0.
    // That hides SQLITE_BUSY, and a transaction whose snapshot is outdated never gets on.
    internal static void Execute(SqliteConnection connection, string sql) =>
        SqliteException.ThrowExceptionForRC(raw.sqlite3_exec(connection.Handle, sql), connection.Handle);

    internal static long Query(SqliteConnection connection, string sql)
    {
        SqliteException.ThrowExceptionForRC(raw.sqlite3_prepare_v2(connection.Handle, sql, out sqlite3_stmt statement), connection.Handle);
        using (statement)
        {
            int code = raw.sqlite3_step(statement);
            SqliteException.ThrowExceptionForRC(code == raw.SQLITE_ROW ? raw.SQLITE_OK : code, connection.Handle);
            return raw.sqlite3_column_int64(statement, 0);
        }
    }

    internal static long LastCommitted(SqliteConnection connection, int writer) =>
        Query(connection, $"SELECT coalesce(max(n), 0) FROM ack WHERE writer = {writer}");
}
