using Microsoft.Data.Sqlite;

namespace Litestream.Workload;

/// <summary>An application's life in random order: everything that leaves its own pattern in the WAL (replication §5).</summary>
internal sealed class RandomWriter : IWriter
{
    private const int Keys = 500;

    private readonly SqliteConnection _connection;
    private readonly Random _random;
    private readonly Options _options;
    private readonly int _writer;

    internal RandomWriter(SqliteConnection connection, Options options, int writer)
    {
        _connection = connection;
        _options = options;
        _writer = writer;
        Database.Configure(connection, options);
        LastCommitted = Database.LastCommitted(connection, writer);
        _random = new Random(HashCode(options.Seed, writer, LastCommitted));
    }

    public long LastCommitted { get; }

    public Outcome Run(long n)
    {
        try
        {
            return _random.Next(1000) switch
            {
                < 3 => Alone("VACUUM"),
                < 10 => Alone("PRAGMA incremental_vacuum(50)"),
                < 40 => Transaction(n, Spill, commit: true),
                < 70 => Transaction(n, Spill, commit: false),
                < 130 => Transaction(n, DeleteMany, commit: true),
                < 230 => Transaction(n, Changes, commit: false),
                < 330 => Transaction(n, WithSavepoint, commit: true),
                < 350 => Transaction(n, ChangeSchema, commit: true),
                _ => Transaction(n, Changes, commit: true),
            };
        }
        catch (SqliteException failure) when (Database.IsBusy(failure))
        {
            return Outcome.Busy;
        }
    }

    public void Dispose()
    {
    }

    // Not System.HashCode: that one differs from process to process, and a seed must replay.
    private static int HashCode(int seed, int writer, long n) => unchecked((int)((seed * 7919L) + (writer * 104729L) + (n * 31)));

    private Outcome Alone(string sql)
    {
        Database.Execute(_connection, sql);
        return Outcome.Nothing;
    }

    private Outcome Transaction(long n, Action work, bool commit)
    {
        Database.Execute(_connection, _random.Next(2) == 0 ? "BEGIN IMMEDIATE" : "BEGIN");
        try
        {
            work();
            if (commit)
            {
                Database.Execute(_connection, $"INSERT INTO ack VALUES ({_writer}, {n})");
            }

            Database.Execute(_connection, commit ? "COMMIT" : "ROLLBACK");
            return commit ? Outcome.Committed : Outcome.Nothing;
        }
        catch (SqliteException)
        {
            RollBackIfOpen();
            throw;
        }
    }

    private void RollBackIfOpen()
    {
        if (SQLitePCL.raw.sqlite3_get_autocommit(_connection.Handle) == 0)
        {
            Database.Execute(_connection, "ROLLBACK");
        }
    }

    private void Changes()
    {
        for (int i = _random.Next(1, 6); i > 0; i--)
        {
            int key = _random.Next(Keys);
            int size = _random.Next(1, _options.RowBytes * 4);
            Database.Execute(_connection, _random.Next(4) switch
            {
                0 => $"UPDATE item SET v = randomblob({size}) WHERE k = {key}",
                1 => $"DELETE FROM item WHERE k = {key}",
                _ => $"INSERT INTO item(writer, k, v) VALUES ({_writer}, {key}, randomblob({size}))",
            });
        }
    }

    // More pages than the cache holds: uncommitted frames reach the WAL, and a rollback leaves them there (trap A11).
    private void Spill()
    {
        Database.Execute(_connection, "PRAGMA cache_size = 5");
        int rows = _random.Next(20, 150);
        Database.Execute(_connection,
            $"INSERT INTO item(writer, k, v) WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < {rows}) SELECT {_writer}, abs(random()) % {Keys}, randomblob(2000) FROM r");
        Database.Execute(_connection, $"UPDATE item SET v = randomblob(50) WHERE k % 7 = {_random.Next(7)}");
        Database.Execute(_connection, "PRAGMA cache_size = -2000");
    }

    private void DeleteMany()
    {
        int from = _random.Next(Keys);
        Database.Execute(_connection, $"DELETE FROM item WHERE k BETWEEN {from} AND {from + (Keys / 3)}");
    }

    private void WithSavepoint()
    {
        Changes();
        Database.Execute(_connection, "SAVEPOINT a");
        Changes();
        if (_random.Next(2) == 0)
        {
            Database.Execute(_connection, "ROLLBACK TO a");
        }

        Database.Execute(_connection, "RELEASE a");
        Changes();
    }

    private void ChangeSchema()
    {
        string name = $"extra{_writer}_{_random.Next(4)}";
        Database.Execute(_connection, _random.Next(2) == 0
            ? $"DROP TABLE IF EXISTS {name}"
            : $"CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM item LIMIT {_random.Next(100)}");
    }
}
