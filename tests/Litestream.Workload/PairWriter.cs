using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Litestream.Workload;

/// <summary>
/// Gives every row of two tables the same number in each transaction; the rows lie on many pages. Whoever sees two numbers sees a
/// torn state. A third table grows and shrinks, so that the size of the database changes, too.
/// </summary>
internal sealed class PairWriter : IWriter
{
    private const int Rows = 24;

    private readonly SqliteConnection _connection;
    private readonly Random _random;
    private readonly int _writer;

    internal PairWriter(SqliteConnection connection, Options options, int writer)
    {
        _connection = connection;
        _writer = writer;
        _random = new Random(options.Seed + writer);
        Database.Configure(connection, options);
        foreach (string table in (string[])["a", "b"])
        {
            Database.Execute(connection, $"CREATE TABLE IF NOT EXISTS pair_{table}(id INTEGER PRIMARY KEY, n INTEGER, pad BLOB)");
            Database.Execute(connection, $"""
                WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < {Rows})
                INSERT OR IGNORE INTO pair_{table} SELECT x, 0, randomblob(1200) FROM i
                """);
        }

        Database.Execute(connection, "CREATE TABLE IF NOT EXISTS pair_c(v BLOB)");
        LastCommitted = Database.LastCommitted(connection, writer);
    }

    public long LastCommitted { get; }

    public Outcome Run(long n)
    {
        try
        {
            Database.Execute(_connection, "BEGIN IMMEDIATE");
            Database.Execute(_connection, $"UPDATE pair_a SET n = {n}");
            Database.Execute(_connection, _random.Next(20) == 0 ? "DELETE FROM pair_c" : "INSERT INTO pair_c VALUES(randomblob(3000))");
            Database.Execute(_connection, $"INSERT INTO ack VALUES({_writer}, {n})");
            Database.Execute(_connection, $"UPDATE pair_b SET n = {n}");
            Database.Execute(_connection, "COMMIT");
        }
        catch (SqliteException failure) when (Database.IsBusy(failure))
        {
            if (raw.sqlite3_get_autocommit(_connection.Handle) == 0)
            {
                Database.Execute(_connection, "ROLLBACK");
            }

            return Outcome.Busy;
        }

        if (_random.Next(40) == 0)
        {
            TryVacuum();
        }

        return Outcome.Committed;
    }

    public void Dispose()
    {
    }

    private void TryVacuum()
    {
        try
        {
            Database.Execute(_connection, "VACUUM");
        }
        catch (SqliteException failure) when (Database.IsBusy(failure))
        {
            // The next time, then.
        }
    }
}
