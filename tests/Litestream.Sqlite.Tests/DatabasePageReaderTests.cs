using Litestream.TestKit;
using Xunit;

namespace Litestream.Sqlite.Tests;

/// <summary>Base copies and snapshots are made of these pages; one page of another moment makes them corrupt.</summary>
public sealed class DatabasePageReaderTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    private string Database => _directory["app.db"];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(512)]
    [InlineData(4096)]
    [InlineData(65536)]
    public void Equals_the_file_after_a_checkpoint(int pageSize)
    {
        using SqliteConnection connection = Filled(pageSize);
        byte[] throughWal = Copy(connection);
        Assert.True(connection.Checkpoint(CheckpointMode.Truncate).IsComplete);
        Assert.Equal(File.ReadAllBytes(Database), throughWal);
        Assert.Equal(throughWal, Copy(connection));
    }

    [Fact]
    public void Trap_B14_Shows_one_moment_while_others_write_and_checkpoint()
    {
        using SqliteConnection reader = Filled(4096);
        byte[] expected = Copy(reader);
        using SqliteConnection writer = SqliteConnection.Open(Database, new SqliteOpenOptions());
        reader.BeginRead();
        using (DatabasePageReader pages = reader.OpenPages())
        {
            using var copy = new MemoryStream();
            while (pages.MoveNext())
            {
                copy.Write(pages.Page);
                writer.Execute("UPDATE t SET a = randomblob(2000) WHERE rowid = abs(random()) % 30");
                _ = writer.Checkpoint(CheckpointMode.Passive);
            }

            Assert.Equal(expected, copy.ToArray());
        }

        reader.EndRead();
        Assert.NotEqual(expected, Copy(reader));
    }

    // Beyond 1 GiB lies the lock page, which SQLite refuses to read as an ordinary one.
    [Theory]
    [InlineData(4096, 262145)]
    [InlineData(65536, 16385)]
    public void Trap_C7_Goes_past_the_lock_page(int pageSize, uint lockPage)
    {
        using (SqliteConnection small = Filled(pageSize))
        {
            Assert.True(small.Checkpoint(CheckpointMode.Truncate).IsComplete);
        }

        GrowSparsely(pageSize, lockPage + 1);
        using SqliteConnection connection = SqliteConnection.Open(Database, new SqliteOpenOptions());
        connection.BeginRead();
        using DatabasePageReader pages = connection.OpenPages();
        while (pages.MoveNext())
        {
            if (pages.PageNumber >= lockPage)
            {
                Assert.Equal(pageSize, pages.Page.Length);
                Assert.Equal(-1, pages.Page.IndexOfAnyExcept((byte)0));
            }
        }

        Assert.Equal(lockPage + 1, pages.PageNumber);
    }

    [Fact]
    public void Needs_a_transaction_and_ends_with_it()
    {
        using SqliteConnection connection = Filled(4096);
        Assert.Throws<InvalidOperationException>(connection.OpenPages);
        connection.BeginRead();
        DatabasePageReader pages = connection.OpenPages();
        Assert.True(pages.MoveNext());
        Assert.Throws<InvalidOperationException>(connection.OpenPages);
        connection.EndRead();
        Assert.False(connection.InTransaction);
        Assert.Throws<ObjectDisposedException>(() => pages.MoveNext());
    }

    [Fact]
    public void Check_finds_damage_and_leaves_no_side_files()
    {
        using (SqliteConnection connection = Filled(4096))
        {
            connection.Checkpoint(CheckpointMode.Truncate);
        }

        Assert.Empty(DatabaseCheck.Run(Database, DatabaseCheckMode.Quick, CancellationToken.None));
        Assert.Equal([Database], Directory.GetFiles(_directory.Root));
        using (FileStream file = File.OpenWrite(Database))
        {
            file.Position = 4096 * 3;
            file.Write(new byte[4096]);
        }

        Assert.NotEmpty(DatabaseCheck.Run(Database, DatabaseCheckMode.Quick, CancellationToken.None));
        Assert.NotEmpty(DatabaseCheck.Run(Database, DatabaseCheckMode.Full, CancellationToken.None));
    }

    [Fact]
    public void Cancelled_check_says_so() =>
        Assert.Throws<OperationCanceledException>(() => DatabaseCheck.Run(Database, DatabaseCheckMode.Full, new CancellationToken(true)));

    private static byte[] Copy(SqliteConnection connection)
    {
        using var copy = new MemoryStream();
        connection.BeginRead();
        using (DatabasePageReader pages = connection.OpenPages())
        {
            uint expected = 0;
            while (pages.MoveNext())
            {
                Assert.Equal(++expected, pages.PageNumber);
                copy.Write(pages.Page);
            }
        }

        Assert.Equal(connection.PageCount * (long)connection.PageSize, copy.Length);
        connection.EndRead();
        return copy.ToArray();
    }

    private void GrowSparsely(int pageSize, uint pageCount)
    {
        using FileStream file = File.OpenWrite(Database);
        byte[] count = new byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(count, pageCount);
        file.Position = 28;
        file.Write(count);
        file.SetLength(pageCount * (long)pageSize);
    }

    private SqliteConnection Filled(int pageSize)
    {
        SqliteConnection connection = SqliteConnection.Open(Database, new SqliteOpenOptions { Create = true });
        connection.Execute($"PRAGMA page_size = {pageSize}");
        connection.EnableWal();
        connection.Execute("CREATE TABLE t(a)");
        for (int i = 0; i < 30; i++)
        {
            connection.Execute("INSERT INTO t VALUES (randomblob(2000))");
        }

        return connection;
    }
}
