using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Sqlite;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Tests.Restore;

/// <summary>Restores that need the machine's file system: SQLite's check, stale side files, databases behind the lock page.</summary>
public sealed class RealDatabaseRestoreTests
{
    [Theory]
    [InlineData(IntegrityCheckMode.Quick)]
    [InlineData(IntegrityCheckMode.Full)]
    public async Task P19_an_intact_database_passes_and_nothing_of_the_check_remains(IntegrityCheckMode mode)
    {
        using RestoreScene scene = RestoreScene.Of("v0.5", "block-era/replica");
        await scene.Restorer.RestoreAsync(scene.Options(), null, CancellationToken.None);
        string plain = scene.OutputHash();
        await scene.Restorer.RestoreAsync(scene.Options() with { IntegrityCheck = mode, Force = true }, null, CancellationToken.None);
        Assert.Equal(plain, scene.OutputHash());
        Assert.Empty(scene.Leftovers);
    }

    [Theory]
    [InlineData(IntegrityCheckMode.Quick)]
    [InlineData(IntegrityCheckMode.Full)]
    public async Task P19_a_page_that_decodes_but_is_corrupt_fails_the_check_and_the_old_database_stays(IntegrityCheckMode mode)
    {
        using RestoreScene scene = RestoreScene.Of("v0.5", "block-era/replica");
        await scene.Restorer.RestoreAsync(scene.Options(), null, CancellationToken.None);
        string old = scene.OutputHash();

        // A valid LTX file with a page of garbage in the middle of the table's tree.
        byte[] page = new byte[4096];
        page.AsSpan().Fill(0x5A);
        using var stream = new MemoryStream();
        var header = new LtxHeader
        {
            Flags = LtxFormat.NoChecksum, PageSize = 4096, Commit = (uint)(new FileInfo(scene.Output).Length / 4096),
            MinTxid = new Txid(13), MaxTxid = new Txid(13), Timestamp = 1,
        };
        using (var writer = new LtxWriter(stream, header, leaveOpen: true))
        {
            writer.WritePage(2, page);
            writer.Finish();
        }

        stream.Position = 0;
        await scene.Client.WriteAsync(0, new Txid(13), new Txid(13), stream, WriteMode.CreateOnly, CancellationToken.None);
        await Assert.ThrowsAsync<RestoreIntegrityException>(() => scene.Restorer.RestoreAsync(
            scene.Options() with { IntegrityCheck = mode, Force = true }, null, CancellationToken.None));
        Assert.Equal(old, scene.OutputHash());
        Assert.Empty(scene.Leftovers);
    }

    [Fact]
    public async Task P16_a_foreign_wal_beside_an_absent_output_does_not_get_into_the_restored_database()
    {
        using RestoreScene scene = RestoreScene.Of("v0.5", "block-era/replica");
        Directory.CreateDirectory(Path.GetDirectoryName(scene.Output)!);
        using (SqliteConnection other = SqliteConnection.Open(scene.Output, new SqliteOpenOptions { Create = true }))
        {
            other.EnableWal();
            other.Execute("PRAGMA writable_schema = OFF");
            other.Execute("CREATE TABLE foreign_table(x)");
        }

        Assert.True(new FileInfo(scene.Output + "-wal").Length > 0);
        File.Delete(scene.Output);
        await scene.Restorer.RestoreAsync(scene.Options(), null, CancellationToken.None);
        Assert.Empty(scene.Leftovers);
        Assert.Empty(DatabaseCheck.Run(scene.Output, DatabaseCheckMode.Full, CancellationToken.None));
        using SqliteConnection restored = SqliteConnection.Open(scene.Output, new SqliteOpenOptions());
        Assert.Equal(0, restored.QueryInt64("SELECT count(*) FROM sqlite_schema WHERE name = 'foreign_table'"));
    }

    [Theory]
    [InlineData(512)]
    [InlineData(4096)]
    [InlineData(32768)]
    public async Task P20_databases_on_both_sides_of_the_lock_page(int pageSize)
    {
        uint lockPage = LtxFormat.LockPage(pageSize);
        uint commit = lockPage + 3;
        using var scene = new RestoreScene();
        var client = (FileReplicaClient)scene.Client;
        Directory.CreateDirectory(Path.Combine(scene.Replica, "ltx/0"));
        using (FileStream file = File.Create(client.FilePath(0, new Txid(1), new Txid(1))))
        {
            var header = new LtxHeader { Flags = LtxFormat.NoChecksum, PageSize = pageSize, Commit = commit, MinTxid = new Txid(1), MaxTxid = new Txid(1) };
            using var writer = new LtxWriter(file, header, leaveOpen: true);
            byte[] zeros = new byte[pageSize];
            foreach (uint page in LtxBuilder.AllPages(commit, pageSize))
            {
                writer.WritePage(page, IsMarked(page) ? LtxBuilder.Page(page, 1, pageSize) : zeros);
            }

            writer.Finish();
        }

        await File.WriteAllBytesAsync(
            client.FilePath(0, new Txid(2), new Txid(2)), LtxBuilder.File(2, 2, commit, [lockPage - 1, lockPage + 1], pageSize));
        RestoreResult result = await scene.Restorer.RestoreAsync(scene.Options(), null, CancellationToken.None);
        Assert.Equal(commit * (long)pageSize, result.Bytes);
        using FileStream output = File.OpenRead(scene.Output);
        Assert.Equal(result.Bytes, output.Length);
        byte[] found = new byte[pageSize];
        for (long page = 1; page <= commit; page++)
        {
            output.ReadExactly(found);
            ReadOnlySpan<byte> expected = (uint)page == lockPage || !IsMarked((uint)page)
                ? new byte[pageSize]
                : LtxBuilder.Page((uint)page, (uint)page == lockPage - 1 || (uint)page == lockPage + 1 ? 2ul : 1, pageSize);
            Assert.True(expected.SequenceEqual(found), $"page {page}");
        }

        bool IsMarked(uint page) => page % 5000 == 1 || page + 3 >= lockPage;
    }
}
