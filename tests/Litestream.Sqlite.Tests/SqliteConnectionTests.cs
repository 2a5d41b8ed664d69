using Litestream.TestKit;
using Xunit;

namespace Litestream.Sqlite.Tests;

public sealed class SqliteConnectionTests : IDisposable
{
    private static readonly SqliteOpenOptions Creating = new() { Create = true };

    private readonly TempDirectory _directory = new();

    private string Database => _directory["app.db"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Trap_A4_Every_connection_has_the_settings()
    {
        for (int i = 0; i < 3; i++)
        {
            using SqliteConnection connection = SqliteConnection.Open(Database, Creating with { BusyTimeout = TimeSpan.FromMilliseconds(1234) });
            Assert.Equal(1234, connection.QueryInt64("PRAGMA busy_timeout"));
            Assert.Equal(0, connection.QueryInt64("PRAGMA wal_autocheckpoint"));
            _ = connection.Checkpoint(CheckpointMode.Passive, TimeSpan.Zero);
            Assert.Equal(1234, connection.QueryInt64("PRAGMA busy_timeout"));
        }
    }

    // Without it the next start finds another generation and must copy the whole database.
    [Fact]
    public void Last_close_keeps_the_wal_and_does_not_checkpoint()
    {
        byte[] before;
        using (SqliteConnection connection = Wal())
        {
            connection.Execute("CREATE TABLE t(a)");
            before = File.ReadAllBytes(Database + "-wal");
            Assert.NotEmpty(before);
        }

        Assert.Equal(before, File.ReadAllBytes(Database + "-wal"));
        Assert.True(File.Exists(Database + "-shm"));
    }

    [Theory]
    [InlineData("a?mode=ro.db")]
    [InlineData("a#b%41.db")]
    [InlineData("file:a.db")]
    [InlineData("ä – 数.db")]
    public void Trap_B13_Names_are_plain_names(string name)
    {
        using (SqliteConnection connection = SqliteConnection.Open(_directory[name], Creating))
        {
            Assert.Equal("wal", connection.EnableWal());
            connection.Execute("CREATE TABLE t(a)");
        }

        Assert.True(File.Exists(_directory[name]));
        Assert.True(File.Exists(_directory[name] + "-wal"));
        Assert.Equal(3, Directory.GetFiles(_directory.Root).Length);
    }

    [Theory]
    [InlineData(":memory:")]
    [InlineData("")]
    [InlineData("app.db")]
    [InlineData("/tmp/a\0b")]
    public void Only_absolute_file_names(string path) =>
        Assert.Throws<ArgumentException>(() => SqliteConnection.Open(path, Creating));

    [Fact]
    public void Missing_file_is_an_error_and_nothing_is_created()
    {
        SqliteException failure = Assert.Throws<SqliteException>(() => SqliteConnection.Open(Database, new SqliteOpenOptions()));
        Assert.Equal(14, failure.ResultCode);
        Assert.Contains(Database, failure.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_directory.Root));
    }

    [Fact]
    public void A_file_that_is_no_database_is_named_as_such()
    {
        File.WriteAllText(Database, new string('x', 5000));
        using SqliteConnection connection = SqliteConnection.Open(Database, new SqliteOpenOptions());
        SqliteException failure = Assert.Throws<SqliteException>(connection.BeginRead);
        Assert.True(failure.IsCorrupt);
        Assert.False(connection.InTransaction);
    }

    [Fact]
    public void Trap_A14_Ending_twice_is_success()
    {
        using SqliteConnection connection = Wal();
        connection.EndRead();
        connection.BeginRead();
        Assert.True(connection.InTransaction);
        connection.EndRead();
        connection.EndRead();
        Assert.False(connection.InTransaction);
        connection.Rollback();
    }

    // A deferred BEGIN takes no lock: then another connection's TRUNCATE would succeed and lose our frames.
    [Fact]
    public void Begin_read_really_takes_the_lock()
    {
        using SqliteConnection writer = Wal();
        using SqliteConnection reader = Wal();
        reader.BeginRead();
        writer.Execute("CREATE TABLE t(a)");
        CheckpointResult result = writer.Checkpoint(CheckpointMode.Truncate, TimeSpan.Zero);
        Assert.True(result.Busy);
        reader.EndRead();
        Assert.Equal(new CheckpointResult(false, 0, 0), writer.Checkpoint(CheckpointMode.Truncate));
    }

    [Fact]
    public void Checkpoint_reads_first_so_that_its_answer_is_one()
    {
        using (SqliteConnection writer = Wal())
        {
            writer.Execute("CREATE TABLE t(a)");
        }

        using SqliteConnection fresh = SqliteConnection.Open(Database, new SqliteOpenOptions());
        CheckpointResult result = fresh.Checkpoint(CheckpointMode.Passive);
        Assert.True(result.IsComplete);
        Assert.Equal(result.LogFrames, result.BackfilledFrames);
        Assert.True(result.LogFrames > 0);
    }

    [Fact]
    public void Checkpoint_of_a_rollback_database_is_no_answer()
    {
        using SqliteConnection connection = SqliteConnection.Open(Database, Creating);
        connection.Execute("CREATE TABLE t(a)");
        CheckpointResult result = connection.Checkpoint(CheckpointMode.Passive);
        Assert.False(result.HasRun);
        Assert.False(result.IsComplete);
    }

    [Fact]
    public void Checkpoint_inside_a_transaction_fails_as_locked()
    {
        using SqliteConnection connection = Wal();
        connection.BeginRead();
        SqliteException failure = Assert.Throws<SqliteException>(() => connection.Checkpoint(CheckpointMode.Passive));
        Assert.Equal(6, failure.ResultCode);
        Assert.True(connection.InTransaction);
    }

    [Fact]
    public void Write_lock_is_tried_for_the_limit_only()
    {
        using SqliteConnection owner = Wal();
        using SqliteConnection other = Wal();
        Assert.True(owner.TryBeginImmediate(TimeSpan.Zero));
        Assert.False(other.TryBeginImmediate(TimeSpan.FromMilliseconds(20)));
        Assert.False(other.InTransaction);
        owner.Rollback();
        Assert.True(other.TryBeginImmediate(TimeSpan.Zero));
        other.Rollback();
        other.BeginRead();
        Assert.False(other.TryGetPosition(out _)); // the rolled-back lock left no frame
    }

    [Fact]
    public void A_schema_that_does_not_parse_does_not_matter()
    {
        using (SqliteConnection writer = Wal())
        {
            writer.Execute("CREATE TABLE t(a)");
            writer.Execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE nonsense('");
        }

        using SqliteConnection connection = SqliteConnection.Open(Database, new SqliteOpenOptions());
        Assert.Equal("wal", connection.EnableWal());
        connection.BeginRead();
        Assert.True(connection.TryGetPosition(out WalPosition position));
        using DatabasePageReader pages = connection.OpenPages();
        uint count = 0;
        while (pages.MoveNext())
        {
            count++;
        }

        Assert.Equal(position.PageCount, count);
        Assert.NotEmpty(CheckProblems());
    }

    // A lock that is taken read-only is one that other processes do not see (replication §8.7 rule 8).
    [Theory]
    [InlineData("")]
    [InlineData("-shm")]
    public void Files_that_may_not_be_written_are_refused(string suffix)
    {
        using (SqliteConnection writer = Wal())
        {
            writer.Execute("CREATE TABLE t(a)");
        }

        using ImmutableFile? file = ImmutableFile.TryMake(Database + suffix);
        Assert.SkipWhen(file is null, "this file system or user cannot make a file immutable");
        SqliteException failure = Assert.Throws<SqliteException>(() => SqliteConnection.Open(Database, new SqliteOpenOptions()));
        Assert.Contains("not writable", failure.Message, StringComparison.Ordinal);
    }

    private List<string> CheckProblems()
    {
        try
        {
            return [.. DatabaseCheck.Run(Database, DatabaseCheckMode.Full, CancellationToken.None)];
        }
        catch (SqliteException failure)
        {
            return [failure.Message];
        }
    }

    private SqliteConnection Wal()
    {
        SqliteConnection connection = SqliteConnection.Open(Database, Creating with { BusyTimeout = TimeSpan.FromMilliseconds(50) });
        Assert.Equal("wal", connection.EnableWal());
        return connection;
    }
}
