using Microsoft.Data.Sqlite;

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
            DefaultTimeout = 0, // the library's own retry loop would hide SQLITE_BUSY; SQLite's busy timeout does the waiting
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

    internal static void Execute(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    internal static long Query(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(command.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture);
    }

    internal static long LastCommitted(SqliteConnection connection, int writer) =>
        Query(connection, $"SELECT coalesce(max(n), 0) FROM ack WHERE writer = {writer}");
}
