using Litestream.Ltx;
using Litestream.Tests.Support;

namespace Litestream.Tests.Capture;

/// <summary>What a WAL may contain and when it changes without looking changed (replication §5, §19 A and C).</summary>
public sealed class WalTraps
{
    [Fact]
    public async Task Trap_A6_ShrinkInsideOnePassDropsTheDeadPages()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        app.Run("INSERT INTO t SELECT randomblob(3000) FROM generate_series(1, 500); DELETE FROM t WHERE rowid > 3; VACUUM;");
        ulong txid = await store.SyncAsync();
        CaptureTests.AssertStates(new() { [txid] = app.Image() }, test.RemoteLevelZero);
        app.Run("INSERT INTO t SELECT randomblob(3000) FROM generate_series(1, 300);");
        txid = await store.SyncAsync();
        CaptureTests.AssertStates(new() { [txid] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_A9_AnIdleDatabaseGetsNoFurtherFiles()
    {
        using var test = new TestDatabase { Configure = o => o with { CheckpointInterval = TimeSpan.FromTicks(1) } };
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        await using ManualStore store = await test.OpenAsync();
        ulong txid = await store.SyncAsync();
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(txid, await store.SyncAsync());
        }
    }

    [Fact]
    public async Task Trap_A11_a_ACommitThatReusesRolledBackSpillSpaceIsReplicated()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path, pageSize: 1024);
        app.Run("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t(v) SELECT hex(randomblob(300)) FROM generate_series(1, 200);");
        await using ManualStore store = await test.OpenAsync();
        ulong first = await store.SyncAsync();
        app.Run("PRAGMA cache_size=5; PRAGMA cache_spill=5; BEGIN; UPDATE t SET v = hex(randomblob(300)); ROLLBACK;");
        Assert.Equal(first, await store.SyncAsync());
        long size = new FileInfo(test.Path + "-wal").Length;
        app.Run("UPDATE t SET v = 'in the old space' WHERE id = 1;");
        Assert.Equal(size, new FileInfo(test.Path + "-wal").Length);
        ulong second = await store.SyncAsync();
        Assert.Equal(first + 1, second);
        CaptureTests.AssertStates(new() { [second] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_A11_b_WritesAfterARestartThatLeaveTheSizeEqualAreReplicated()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 1 } };
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t(v) SELECT hex(randomblob(2000)) FROM generate_series(1, 100);");
        await using ManualStore store = await test.OpenAsync();
        var expected = new Dictionary<ulong, byte[]> { [await store.SyncAsync()] = app.Image() };
        long size = new FileInfo(test.Path + "-wal").Length;
        for (int i = 0; i < 5; i++)
        {
            app.Run($"UPDATE t SET v = 'small {i}' WHERE id = {i + 1};");
            expected[await store.SyncAsync()] = app.Image();
            Assert.Equal(size, new FileInfo(test.Path + "-wal").Length);
        }

        Assert.Equal(6, expected.Count);
        CaptureTests.AssertStates(expected, test.RemoteLevelZero);
        Assert.False(test.Logs.Records.Any(r => r.Level >= Microsoft.Extensions.Logging.LogLevel.Warning), "a full copy was taken");
    }

    [Fact]
    public async Task Trap_A11_c_AChangedTimeAloneWritesNothing()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        await using ManualStore store = await test.OpenAsync();
        ulong txid = await store.SyncAsync();
        using (var touch = System.Diagnostics.Process.Start("touch", [test.Path, test.Path + "-wal"]))
        {
            await touch.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        Assert.Equal(txid, await store.SyncAsync());
    }

    [Fact]
    public async Task Trap_A12_ACheckpointWithEverythingSyncedIsFollowedByAnIncrement()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t SELECT hex(randomblob(2000)) FROM generate_series(1, 100);");
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        app.Run("PRAGMA wal_checkpoint(PASSIVE);");
        await store.SyncAsync();
        app.Run("INSERT INTO t VALUES ('next generation');");
        ulong txid = await store.SyncAsync();
        Assert.Equal(2ul, txid);
        Assert.True(Chain.PageCount(Path.Combine(test.LocalLevelZero, LtxFileName.Format(new(txid), new(txid)))) < 5);
        CaptureTests.AssertStates(new() { [txid] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_A17_StaleFramesBehindTheLiveOnesDoNotKeepItCheckpointing()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t SELECT hex(randomblob(3000)) FROM generate_series(1, 3000);");
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        app.Run("INSERT INTO t VALUES ('restarts the wal');");
        ulong txid = await store.SyncAsync();
        long checkpoints = store.Database.GetStatus().CheckpointCount;
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(txid, await store.SyncAsync());
        }

        Assert.InRange(store.Database.GetStatus().CheckpointCount - checkpoints, 0, 1);
    }

    [Fact]
    public async Task Trap_A22_ALongBacklogBecomesSeveralFilesCutAtCommits()
    {
        using var test = new TestDatabase { Configure = o => o with { MaxSyncWalBytes = 50_000 } };
        using var app = new SqliteShell(test.Path, pageSize: 1024);
        app.Run("PRAGMA wal_autocheckpoint=0; CREATE TABLE t(v);");
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        app.Run(string.Concat(Enumerable.Range(0, 60).Select(i => $"INSERT INTO t VALUES (hex(randomblob(1500)));")));
        ulong txid = await store.SyncAsync();
        Assert.InRange(txid, 4ul, 12ul);
        Assert.All(Chain.Headers(test.LocalLevelZero).Skip(1), h => Assert.InRange(h.WalSize, 1, 60_000));
        CaptureTests.AssertStates(new() { [txid] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_B7_ALongReaderDoesNotMakeFilesWithoutData()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 1, CheckpointInterval = TimeSpan.FromTicks(1) } };
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        using var reader = new SqliteShell(test.Path);
        reader.Run("BEGIN; SELECT count(*) FROM t;");
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        app.Run("INSERT INTO t VALUES (2);");
        ulong txid = await store.SyncAsync();
        for (int i = 0; i < 30; i++)
        {
            Assert.Equal(txid, await store.SyncAsync());
        }

        Assert.Equal(0, store.Database.GetStatus().WriteLockCount);
    }

    [Fact]
    public async Task NothingIsWrittenIntoTheDatabase()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        string cookie = app.Run("PRAGMA schema_version;")[0];
        string change = Convert.ToHexString(app.Image());
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        await store.CloseAsync();
        Assert.Equal(cookie, app.Run("PRAGMA schema_version;")[0]);
        Assert.Equal(change, Convert.ToHexString(app.Image()));
        Assert.Equal(["CREATE TABLE t(v)"], app.Run("SELECT sql FROM sqlite_schema;"));
    }

    [Fact]
    public async Task Trap_B13_PathsWithQueryCharactersAreOpenedAsTheyAre()
    {
        using var test = new TestDatabase();
        foreach (string name in new[] { "tenant#1.db", "a?b.db", "a%20b.db", "my database.db" })
        {
            string path = Path.Combine(Path.GetDirectoryName(test.Path)!, name);
            using var app = new SqliteShell(path);
            app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
            test.Configure = o => o with { Path = path };
            await using ManualStore store = await test.OpenAsync(new TestKit.Replicas.MemoryReplicaClient());
            Assert.Equal(1ul, await store.SyncAsync());
        }
    }

    [Fact]
    public async Task Trap_B46_ASymbolicLinkIsFollowedToItsWal()
    {
        using var test = new TestDatabase();
        string real = Path.Combine(Path.GetDirectoryName(test.Path)!, "real.db");
        using var app = new SqliteShell(real);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        File.CreateSymbolicLink(test.Path, real);
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        app.Run("INSERT INTO t VALUES (2);");
        ulong txid = await store.SyncAsync();
        CaptureTests.AssertStates(new() { [txid] = app.Image() }, test.RemoteLevelZero);
    }
}
