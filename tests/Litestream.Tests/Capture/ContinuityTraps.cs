using Litestream.Ltx;
using Litestream.Tests.Support;

namespace Litestream.Tests.Capture;

/// <summary>
/// What happened to the WAL while nobody watched decides between an increment and a full copy (replication §7.2, §8.7 rule 2). Too
/// few full copies lose data in silence; too many upload the database again for nothing. Every test ends by comparing all of it with
/// the source.
/// </summary>
public sealed class ContinuityTraps
{
    private const string Setup = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t(v) SELECT hex(randomblob(200)) FROM generate_series(1, 60);";

    [Fact]
    public async Task Trap_B1_FewFramesAfterARestartWhileStoppedGiveAFullCopy() =>
        await AfterStop(
            app => app.Run("UPDATE t SET v = hex(randomblob(210)); PRAGMA wal_checkpoint(RESTART); INSERT INTO t(v) VALUES ('few');"),
            fullCopy: true);

    [Fact]
    public async Task Trap_B1_ManyFramesAfterARestartWhileStoppedGiveAFullCopy() =>
        await AfterStop(
            app => app.Run(
                "INSERT INTO t(v) VALUES ('a'); PRAGMA wal_checkpoint(RESTART); "
                + "INSERT INTO t(v) SELECT hex(randomblob(900)) FROM generate_series(1, 300);"),
            fullCopy: true);

    [Fact]
    public async Task Trap_B1_ControlSameSaltsContinueIncrementally() =>
        await AfterStop(app => app.Run("UPDATE t SET v = 'x' WHERE id < 5;"), fullCopy: false);

    [Fact]
    public async Task Trap_B1_AWholeGenerationPassedWhileStopped() =>
        await AfterStop(
            app => app.Run(
                "PRAGMA wal_checkpoint(RESTART); INSERT INTO t(v) VALUES ('one'); PRAGMA wal_checkpoint(RESTART); "
                + "UPDATE t SET v = hex(randomblob(300)); INSERT INTO t(v) VALUES ('two');"),
            fullCopy: true);

    [Fact]
    public async Task TruncateWhileStoppedGivesAFullCopy() =>
        await AfterStop(app => app.Run("INSERT INTO t(v) VALUES (1); PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t(v) VALUES (2);"), fullCopy: true);

    [Fact]
    public async Task TruncateWithoutALaterWriteGivesAFullCopy() =>
        await AfterStop(app => app.Run("INSERT INTO t(v) VALUES (1); PRAGMA wal_checkpoint(TRUNCATE);"), fullCopy: true);

    [Fact]
    public async Task RollbackModeWhileStoppedGivesAFullCopy() =>
        await AfterStop(app => app.Run("PRAGMA journal_mode=DELETE; INSERT INTO t(v) VALUES (1); PRAGMA journal_mode=WAL;"), fullCopy: true);

    [Fact]
    public async Task Trap_B6_PageSizeChangedWhileStoppedGivesACopyWithABaseOfItsOwn()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path, pageSize: 1024);
        app.Run(Setup);
        await using (ManualStore store = await test.OpenAsync())
        {
            await store.SyncAsync();
            await store.CloseAsync();
        }

        app.Run("PRAGMA journal_mode=DELETE; PRAGMA page_size=2048; VACUUM; PRAGMA journal_mode=WAL; INSERT INTO t(v) VALUES ('after');");
        await using ManualStore again = await test.OpenAsync();
        ulong txid = await again.SyncAsync();
        Assert.Equal(2ul, txid);
        string snapshot = Path.Combine(test.Replica, "ltx", "9", LtxFileName.Format(new(1), new(txid)));
        Assert.True(File.Exists(snapshot), "without a snapshot of the new page size the replica cannot be restored");
        Assert.Equal(app.Image(), Chain.States(Path.GetDirectoryName(snapshot)!)[txid]);
        Assert.True(test.Logs.Contains("page size changed"));
    }

    [Fact]
    public async Task Trap_B2_StopAndStartInOneProcessWhileTheApplicationTruncates()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run(Setup);
        await using ManualStore first = await test.OpenAsync();
        await first.SyncAsync();
        await first.CloseAsync();
        app.Run("INSERT INTO t(v) VALUES ('lost upstream'); PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t(v) VALUES ('x');");
        await using ManualStore second = await test.OpenAsync();
        ulong txid = await second.SyncAsync();
        CaptureTests.AssertStates(new() { [txid] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_B9_AnOverwrittenLastFrameGivesAFullCopy()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run(Setup);
        await using (ManualStore store = await test.OpenAsync())
        {
            await store.SyncAsync();
            app.Run("INSERT INTO t(v) VALUES ('captured');");
            await store.SyncAsync();
        }

        // A power cut took the last frames back: the file ends inside what was captured, and another commit took their place.
        byte[] wal = await File.ReadAllBytesAsync(test.Path + "-wal", TestContext.Current.CancellationToken);
        app.Kill();
        await File.WriteAllBytesAsync(test.Path + "-wal", wal.AsMemory(0, wal.Length - 4096 - 24), TestContext.Current.CancellationToken);
        File.Delete(test.Path + "-shm");
        using var after = new SqliteShell(test.Path);
        after.Run("INSERT INTO t(v) VALUES ('instead');");
        await using ManualStore again = await test.OpenAsync();
        ulong txid = await again.SyncAsync();
        CaptureTests.AssertStates(new() { [txid] = after.Image() }, test.RemoteLevelZero);
        Assert.True(test.Logs.Contains("full copy"));
    }

    [Fact]
    public async Task Trap_A1_AfterLosingDatabaseAndStateTxidsGoOnAboveTheReplicas()
    {
        using var test = new TestDatabase();
        using (var app = new SqliteShell(test.Path))
        {
            app.Run(Setup);
            await using ManualStore store = await test.OpenAsync();
            await store.SyncAsync();
            app.Run("INSERT INTO t(v) VALUES ('before');");
            Assert.Equal(2ul, await store.SyncAsync());
        }

        byte[] restored = Chain.States(test.RemoteLevelZero)[2];
        foreach (string side in new[] { "", "-wal", "-shm" })
        {
            File.Delete(test.Path + side);
        }

        Directory.Delete(Path.GetDirectoryName(Path.GetDirectoryName(test.LocalLevelZero))!, recursive: true);
        await File.WriteAllBytesAsync(test.Path, restored, TestContext.Current.CancellationToken);
        using var again = new SqliteShell(test.Path);
        again.Run("INSERT INTO t(v) VALUES ('after');");
        await using ManualStore second = await test.OpenAsync();
        Assert.Equal(3ul, await second.SyncAsync());
        CaptureTests.AssertStates(new() { [3] = again.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_A1_LostStateWithTheSameWalContinuesIncrementally()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run(Setup);
        await using (ManualStore store = await test.OpenAsync())
        {
            await store.SyncAsync();
            app.Run("INSERT INTO t(v) VALUES (1);");
            await store.SyncAsync();
        }

        Directory.Delete(Path.GetDirectoryName(Path.GetDirectoryName(test.LocalLevelZero))!, recursive: true);
        app.Run("INSERT INTO t(v) VALUES (2);");
        await using ManualStore again = await test.OpenAsync();
        Assert.Equal(3ul, await again.SyncAsync());
        Assert.True(Chain.PageCount(Path.Combine(test.LocalLevelZero, LtxFileName.Format(new(3), new(3)))) < 8);
        CaptureTests.AssertStates(new() { [3] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_B11_ReplicaWithOnlyHigherLevelsContinuesAboveThem()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run(Setup);
        await using (ManualStore store = await test.OpenAsync())
        {
            await store.SyncAsync();
            app.Run("INSERT INTO t(v) VALUES (1);");
            await store.SyncAsync();
            await store.Database.SnapshotAsync(TestContext.Current.CancellationToken);
        }

        Directory.Delete(test.RemoteLevelZero, recursive: true);
        Directory.Delete(Path.GetDirectoryName(Path.GetDirectoryName(test.LocalLevelZero))!, recursive: true);
        app.Run("INSERT INTO t(v) VALUES (2);");
        await using ManualStore again = await test.OpenAsync();
        Assert.Equal(3ul, await again.SyncAsync());
        CaptureTests.AssertStates(new() { [3] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task ReplicaEmptiedWhileLocalFilesArePrunedGetsANewBase()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run(Setup);
        await using (ManualStore store = await test.OpenAsync())
        {
            await store.SyncAsync();
            app.Run("INSERT INTO t(v) VALUES (1);");
            await store.SyncAsync();
        }

        Directory.Delete(test.Replica, recursive: true);
        File.Delete(Path.Combine(test.LocalLevelZero, LtxFileName.Format(new(1), new(1))));
        await using ManualStore again = await test.OpenAsync();
        Assert.Equal(3ul, await again.SyncAsync());
        string level9 = Path.Combine(test.Replica, "ltx", "9");
        Assert.Equal(app.Image(), Chain.States(level9)[3]);
    }

    [Fact]
    public async Task Trap_B12_DatabaseReplacedWhileRunningIsOpenedAnew()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run(Setup);
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        app.Kill();
        string other = test.Path + ".other";
        using (var maker = new SqliteShell(other, walMode: false))
        {
            maker.Run("CREATE TABLE fresh(v); INSERT INTO fresh VALUES ('new file');");
        }

        File.Delete(test.Path + "-wal");
        File.Delete(test.Path + "-shm");
        File.Move(other, test.Path, overwrite: true);
        using var writer = new SqliteShell(test.Path);
        writer.Run("INSERT INTO fresh VALUES (1);");
        ulong txid = await store.SyncAsync();
        CaptureTests.AssertStates(new() { [txid] = writer.Image() }, test.RemoteLevelZero);
        Assert.True(test.Logs.Contains("opening the database anew"));
    }

    [Fact]
    public async Task Trap_C17_WalUnlinkedWhileRunningGivesAFullCopy()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run(Setup);
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        app.Kill();
        File.Delete(test.Path + "-wal");
        File.Delete(test.Path + "-shm");
        using var writer = new SqliteShell(test.Path);
        writer.Run("CREATE TABLE IF NOT EXISTS n(v); INSERT INTO n VALUES (1);");
        ulong txid = await store.SyncAsync();
        CaptureTests.AssertStates(new() { [txid] = writer.Image() }, test.RemoteLevelZero);
    }

    private static async Task AfterStop(Action<SqliteShell> whileStopped, bool fullCopy)
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path, pageSize: 1024);
        app.Run(Setup);
        var expected = new Dictionary<ulong, byte[]>();
        await using (ManualStore store = await test.OpenAsync())
        {
            expected[await store.SyncAsync()] = app.Image();
            app.Run("INSERT INTO t(v) SELECT hex(randomblob(300)) FROM generate_series(1, 30);");
            expected[await store.SyncAsync()] = app.Image();
        }

        whileStopped(app);
        await using ManualStore again = await test.OpenAsync();
        ulong txid = await again.SyncAsync();
        expected[txid] = app.Image();
        app.Run("UPDATE t SET v = 'later' WHERE id = 3;");
        expected[await again.SyncAsync()] = app.Image();

        CaptureTests.AssertStates(expected, test.RemoteLevelZero);
        Assert.Equal(3ul, txid);
        Assert.Equal(fullCopy, test.Logs.Records.Any(r => r.Text.Contains("full copy", StringComparison.Ordinal) && r.Text.Contains("txid=0000000000000003", StringComparison.Ordinal)));
    }
}
