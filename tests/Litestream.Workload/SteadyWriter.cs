using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Litestream.Workload;

/// <summary>
/// The smallest and fastest writer: one prepared statement and one row a transaction, straight on SQLite's functions, so that a
/// measurement shows SQLite and not the library on top of it.
/// </summary>
internal sealed class SteadyWriter : IWriter
{
    private readonly SqliteConnection _connection;
    private readonly sqlite3_stmt _insert;
    private readonly int _writer;

    internal SteadyWriter(SqliteConnection connection, Options options, int writer)
    {
        _connection = connection;
        _writer = writer;
        Database.Configure(connection, options);
        Database.Execute(connection, "CREATE TABLE IF NOT EXISTS line(writer INTEGER, n INTEGER, v BLOB)");
        LastCommitted = Database.Query(connection, $"SELECT coalesce(max(n), 0) FROM line WHERE writer = {writer}");
        int code = raw.sqlite3_prepare_v2(connection.Handle, $"INSERT INTO line VALUES (?1, ?2, randomblob({options.RowBytes}))", out _insert);
        Check(code);
    }

    public long LastCommitted { get; }

    public Outcome Run(long n)
    {
        Check(raw.sqlite3_bind_int64(_insert, 1, _writer));
        Check(raw.sqlite3_bind_int64(_insert, 2, n));
        int code = raw.sqlite3_step(_insert);
        _ = raw.sqlite3_reset(_insert);
        if ((code & 0xff) is raw.SQLITE_BUSY or raw.SQLITE_LOCKED)
        {
            return Outcome.Busy;
        }

        Check(code == raw.SQLITE_DONE ? raw.SQLITE_OK : code);
        return Outcome.Committed;
    }

    public void Dispose() => _insert.Dispose();

    private void Check(int code) => SqliteException.ThrowExceptionForRC(code, _connection.Handle);
}
