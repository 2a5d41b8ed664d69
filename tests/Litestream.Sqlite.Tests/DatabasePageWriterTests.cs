using Litestream.TestKit;
using Xunit;

namespace Litestream.Sqlite.Tests;

/// <summary>A follower's transactions are made with this class; the readers in other processes are tested with the follower.</summary>
public sealed class DatabasePageWriterTests : IDisposable
{
    private static readonly TimeSpan NoWait = TimeSpan.Zero;

    private readonly TempDirectory _directory = new();

    private string Source => _directory["source.db"];

    private string Target => _directory["target.db"];

    public void Dispose() => _directory.Dispose();

    // F-j, F-m, F1, F2: growth, a schema change and a shrink by VACUUM, for the smallest and the greatest page.
    [Theory]
    [InlineData(512, 0)]
    [InlineData(4096, 0)]
    [InlineData(4096, 1)]
    [InlineData(4096, 2)]
    [InlineData(65536, 1)]
    public void Becomes_the_source_page_by_page(int pageSize, int autoVacuum)
    {
        using SqliteConnection source = SqliteConnection.Open(Source, new SqliteOpenOptions { Create = true });
        source.Execute($"PRAGMA page_size = {pageSize}");
        source.Execute($"PRAGMA auto_vacuum = {autoVacuum}");
        source.EnableWal();
        source.Execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB)");
        source.Execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) INSERT INTO t SELECT i, randomblob(300) FROM n");
        Assert.True(source.Checkpoint(CheckpointMode.Truncate).IsComplete);
        File.Copy(Source, Target);
        using DatabasePageWriter writer = DatabasePageWriter.Open(Target);
        using SqliteConnection reader = SqliteConnection.OpenOrdinary(Target);
        Assert.Equal(400, reader.QueryInt64("SELECT count(*) FROM t"));
        uint counter = Header().ChangeCounter;
        foreach (string change in (string[])
            [
                "UPDATE t SET v = randomblob(300) WHERE id = 7",
                "CREATE TABLE u AS SELECT id, v || v AS w FROM t",
                "DELETE FROM t WHERE id % 3 = 0",
                "DROP TABLE u",
                "VACUUM",
                "DELETE FROM t WHERE id > 1",
                "VACUUM",
            ])
        {
            source.Execute(change);
            CopyDifferences(source, writer);
            AssertEqualsSource(source);
            Assert.NotEqual(counter, counter = Header().ChangeCounter);
            Assert.Equal(source.QueryInt64("SELECT sum(id) + total(length(v)) FROM t"), reader.QueryInt64("SELECT sum(id) + total(length(v)) FROM t"));
            Assert.Equal("ok", reader.QueryText("PRAGMA integrity_check"));
        }

        Assert.False(File.Exists(Target + "-journal"));
        Assert.False(File.Exists(Target + "-wal"));
    }

    // Free pages of an auto-vacuum database belong to the source: SQLite must not move them at our commit.
    [Fact]
    public void Does_not_vacuum_by_itself()
    {
        using SqliteConnection source = SqliteConnection.Open(Source, new SqliteOpenOptions { Create = true });
        source.Execute("PRAGMA auto_vacuum = 1");
        source.TurnOffAutoVacuum();
        source.EnableWal();
        source.Execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB)");
        source.Execute("INSERT INTO t VALUES(1, randomblob(100000)), (2, randomblob(100000))");
        source.Execute("DELETE FROM t WHERE id = 1");
        Assert.True(source.QueryInt64("PRAGMA freelist_count") > 10);
        Assert.True(source.Checkpoint(CheckpointMode.Truncate).IsComplete);
        File.Copy(Source, Target);
        using DatabasePageWriter writer = DatabasePageWriter.Open(Target);
        CopyDifferences(source, writer);
        AssertEqualsSource(source);
    }

    [Theory]
    [InlineData(4096, 262145)]
    [InlineData(65536, 16385)]
    public void P20_Grows_past_the_lock_page_and_shrinks_before_it(int pageSize, uint lockPage)
    {
        Create(pageSize);
        using DatabasePageWriter writer = DatabasePageWriter.Open(Target);
        uint before = Header().PageCount;
        byte[] page = new byte[pageSize];
        page.AsSpan().Fill(0x5A);
        Assert.True(writer.TryBegin(alone: true, NoWait));
        writer.Write(lockPage - 1, page);
        writer.Write(lockPage + 1, page);
        Assert.True(writer.TryCommit(lockPage + 1, NoWait));
        Assert.Equal((lockPage + 1L) * pageSize, new FileInfo(Target).Length);
        Assert.True(writer.TryBegin(alone: false, NoWait));
        Assert.Equal(lockPage + 1, writer.PageCount);
        Assert.Equal(page, writer.Read(lockPage + 1).ToArray());
        Assert.True(writer.TryCommit(before, NoWait));
        Assert.Equal((long)before * pageSize, new FileInfo(Target).Length);
    }

    [Fact]
    public void A_transaction_that_is_not_committed_leaves_nothing()
    {
        Create(4096);
        byte[] before = File.ReadAllBytes(Target);
        using (DatabasePageWriter writer = DatabasePageWriter.Open(Target))
        {
            // Far more than the cache holds, so that pages reach the file before the rollback.
            byte[] page = new byte[4096];
            Assert.True(writer.TryBegin(alone: true, NoWait));
            for (uint number = 2; number < 10_000; number++)
            {
                writer.Write(number, page);
            }

            Assert.True(new FileInfo(Target).Length > before.Length);
            writer.Rollback();
            Assert.False(writer.IsChangedByOthers);
        }

        Assert.Equal(before, File.ReadAllBytes(Target));
    }

    [Fact]
    public void Store_F1_A_reader_delays_the_commit_only_for_the_given_time()
    {
        Create(4096);
        using DatabasePageWriter writer = DatabasePageWriter.Open(Target);
        using SqliteConnection reader = SqliteConnection.OpenOrdinary(Target);
        reader.Execute("BEGIN");
        long seen = reader.QueryInt64("SELECT count(*) FROM t");
        Assert.False(writer.TryBegin(alone: true, NoWait));
        Assert.True(writer.TryBegin(alone: false, NoWait));
        writer.Write(3, new byte[4096]);
        Assert.False(writer.TryCommit(writer.PageCount, NoWait));
        writer.Rollback();
        Assert.Equal(seen, reader.QueryInt64("SELECT count(*) FROM t"));
        reader.Execute("COMMIT");
        Assert.True(writer.TryBegin(alone: true, NoWait));
        writer.Rollback();
    }

    // SQLite cuts after the commit: killed in between, a writer leaves a tail behind the last page.
    [Fact]
    public void Store_Fj_A_tail_that_a_killed_writer_left_is_cut_at_the_next_start()
    {
        Create(4096);
        byte[] before = File.ReadAllBytes(Target);
        File.AppendAllText(Target, new string('x', 3 * 4096));
        using (DatabasePageWriter.Open(Target))
        {
        }

        Assert.Equal(before, File.ReadAllBytes(Target));
    }

    [Fact]
    public void Notices_a_writer_that_is_not_the_follower()
    {
        Create(4096);
        using DatabasePageWriter writer = DatabasePageWriter.Open(Target);
        Assert.True(writer.TryBegin(alone: false, NoWait));
        Assert.True(writer.TryCommit(writer.PageCount, NoWait));
        Assert.True(writer.TryBegin(alone: false, NoWait));
        Assert.False(writer.IsChangedByOthers);
        writer.Rollback();
        using (SqliteConnection other = SqliteConnection.OpenOrdinary(Target))
        {
            other.Execute("DELETE FROM t WHERE rowid = 1");
        }

        Assert.True(writer.TryBegin(alone: false, NoWait));
        Assert.True(writer.IsChangedByOthers);
    }

    private void Create(int pageSize)
    {
        using SqliteConnection connection = SqliteConnection.Open(Target, new SqliteOpenOptions { Create = true });
        connection.Execute($"PRAGMA page_size = {pageSize}");
        connection.Execute("CREATE TABLE t(a)");
        for (int i = 0; i < 10; i++)
        {
            connection.Execute("INSERT INTO t VALUES(randomblob(5000))");
        }
    }

    private DatabaseHeader Header()
    {
        Assert.True(DatabaseHeader.TryParse(File.ReadAllBytes(Target), out DatabaseHeader header));
        return header;
    }

    private static void CopyDifferences(SqliteConnection source, DatabasePageWriter writer)
    {
        Assert.True(writer.TryBegin(alone: false, NoWait));
        source.BeginRead();
        uint count = source.PageCount;
        using (DatabasePageReader pages = source.OpenPages())
        {
            while (pages.MoveNext())
            {
                if (pages.PageNumber == 1 || !writer.Read(pages.PageNumber).SequenceEqual(pages.Page))
                {
                    writer.Write(pages.PageNumber, pages.Page);
                }
            }
        }

        source.EndRead();
        Assert.True(writer.TryCommit(count, NoWait));
    }

    private void AssertEqualsSource(SqliteConnection source)
    {
        Assert.True(source.Checkpoint(CheckpointMode.Truncate).IsComplete);
        byte[] expected = File.ReadAllBytes(Source);
        byte[] actual = File.ReadAllBytes(Target);
        Assert.Equal(1, actual[18]);
        Assert.Equal(1, actual[19]);
        Assert.Equal(actual[24..28], actual[92..96]);
        foreach (byte[] file in (byte[][])[expected, actual])
        {
            file.AsSpan(18, 2).Clear();
            file.AsSpan(24, 4).Clear();
            file.AsSpan(92, 8).Clear();
        }

        Assert.Equal(expected.Length, actual.Length);
        Assert.True(expected.AsSpan().SequenceEqual(actual), $"first difference at {expected.AsSpan().CommonPrefixLength(actual)}");
    }
}
