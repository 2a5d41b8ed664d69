using Litestream.Ltx;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Capture;
using Litestream.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Loop;

/// <summary>What runs by itself: when it captures and uploads, waits, gives up, and says so (replication §9, §10, §12).</summary>
public sealed class LoopTests
{
    /// <summary>"At once" on the fake clock: far below every interval in these tests.</summary>
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(20);

    private static UnsyncedFileSystem Unsynced => new(LocalFileSystem.Instance);

    [Fact]
    public async Task TheFirstCommitAfterQuietGoesAtOnceThenOneUploadInAnInterval()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        TimeSpan interval = TimeSpan.FromMinutes(10);
        using var test = new TestDatabase { Time = time, Configure = o => o with { SyncInterval = interval, MonitorInterval = TimeSpan.FromHours(9), L0Retention = TimeSpan.Zero, AuditInterval = TimeSpan.Zero } };
        using SqliteShell app = NewApplication(test);
        var replica = new MemoryReplicaClient();
        var client = new FaultyReplicaClient(replica);
        await using ManualStore store = await test.OpenAsync(client, Unsynced, monitor: true);
        await time.AdvanceUntilAsync(() => LevelZero(replica) == 1, AtOnce, "first copy");

        // Quiet for more than an interval; then the first commit goes at once.
        await time.AdvanceUntilAsync(() => test.Logs.Count("replica sync") == 1, AtOnce, "upload recorded");
        time.Advance(interval * 2);
        await time.AdvanceUntilAsync(() => Idle(store), AtOnce, "quiet");
        app.Run("INSERT INTO t VALUES ('first after quiet');");
        await time.AdvanceUntilAsync(() => LevelZero(replica) == 2, AtOnce, "first commit after quiet");
        DateTimeOffset uploaded = time.GetUtcNow();
        for (int i = 0; i < 20; i++)
        {
            app.Run($"INSERT INTO t VALUES ({i});");
            time.Advance(TimeSpan.FromSeconds(10));
            await Task.Yield();
        }

        Assert.Equal(2, LevelZero(replica));
        byte[] image = app.Image();
        await time.AdvanceUntilAsync(() => LevelZero(replica) == 3, interval * 2, "one upload for the interval", TimeSpan.FromSeconds(1));
        Assert.InRange(time.GetUtcNow() - uploaded, interval - TimeSpan.FromSeconds(25), interval * 2);
        await time.AdvanceUntilAsync(() => LevelZero(replica) == 3, AtOnce, "it is stored");
        CaptureTests.AssertStates(new() { [3] = image }, test.LocalLevelZero);
        Assert.Equal(0, client.Count(ReplicaOperation.Delete));
        Assert.Equal(LtxFileInfo.LevelCount, client.Count(ReplicaOperation.List));
    }

    [Fact]
    public async Task Trap_B2_AMissingDatabaseIsWaitedForAndSaidOnce()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        using var test = new TestDatabase { Time = time };
        await using ManualStore store = await test.OpenAsync(new MemoryReplicaClient(), Unsynced, monitor: true);
        await test.Logs.WaitForAsync("database file does not exist yet");
        Assert.Equal(DatabaseState.NoDatabase, store.Database.State);
        time.Advance(TimeSpan.FromSeconds(1));

        // A zero-byte file is not touched: it would get a page size that the application can no longer choose.
        await File.WriteAllBytesAsync(test.Path, []);
        time.Advance(TimeSpan.FromSeconds(1));
        time.Advance(TimeSpan.FromSeconds(1));
        using var app = new SqliteShell(test.Path, pageSize: 8192);
        Assert.Equal(DatabaseState.NoDatabase, store.Database.State);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        Assert.Equal("8192", app.Run("PRAGMA page_size;")[0]);
        await time.AdvanceUntilAsync(() => test.Logs.Contains("ltx file uploaded"), TimeSpan.FromSeconds(30), "picked up");
        Assert.Equal(1, test.Logs.Count("database file does not exist yet"));
        Assert.Equal(1, test.Logs.Count("database file has appeared"));
    }

    [Fact]
    public async Task AZeroByteFileIsLeftAlone()
    {
        using var test = new TestDatabase();
        await File.WriteAllBytesAsync(test.Path, []);
        await using ManualStore store = await test.OpenAsync();
        Assert.Equal(0ul, await store.SyncAsync());
        await store.CloseAsync();
        Assert.Equal(0, new FileInfo(test.Path).Length);
        Assert.False(File.Exists(test.Path + "-wal"));
    }

    [Fact]
    public async Task ASecondWriterStopsThisDatabaseForGood()
    {
        using var test = new TestDatabase { Configure = o => o with { SyncInterval = TimeSpan.FromMilliseconds(20) } };
        using SqliteShell app = NewApplication(test);
        var replica = new MemoryReplicaClient();
        await using ManualStore store = await test.OpenAsync(replica, Unsynced, monitor: true);
        await test.Logs.WaitForAsync("ltx file uploaded");
        byte[] foreign = [.. replica.Content(0, new(1), new(1))];
        foreign[^1] ^= 1;
        replica.Put(0, new(2), new(2), foreign, DateTimeOffset.UnixEpoch);
        app.Run("INSERT INTO t VALUES (2);");
        await test.Logs.WaitForAsync("second writer on this replica");
        app.Run("INSERT INTO t VALUES (3);");
        DatabaseStatus status = store.Database.GetStatus();
        Assert.Equal(DatabaseState.SecondWriter, status.State);
        Assert.Contains("second writer detected", status.LastError, StringComparison.Ordinal);
        await Assert.ThrowsAsync<SecondWriterException>(store.SyncAsync);
        (ReplicatedDatabase _, Exception error) = Assert.Single(await store.TryCloseAsync());
        Assert.Contains("not synced: second writer detected", error.Message, StringComparison.Ordinal);
        Assert.Equal(foreign, replica.Content(0, new(2), new(2)));
        Assert.Equal(DatabaseState.SecondWriter, store.Database.State);

        // It captures nothing any more, so it must not hold the WAL either.
        Assert.StartsWith("0|", app.Run("PRAGMA wal_checkpoint(TRUNCATE);")[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trap_B45_ADatabaseClosedAtOnceIsStillSyncedOnce()
    {
        using var test = new TestDatabase();
        using SqliteShell app = NewApplication(test);
        await using ManualStore store = await test.OpenAsync(monitor: true);
        await store.CloseAsync();
        CaptureTests.AssertStates(new() { [1] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_A7_CountersMoveAndADatabaseThatCannotBeOpenedCountsAsAnError()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 1, SyncInterval = TimeSpan.FromMilliseconds(10) } };
        using SqliteShell app = NewApplication(test);
        await using (ManualStore store = await test.OpenAsync(fileSystem: Unsynced, monitor: true))
        {
            await test.Logs.WaitForAsync("ltx file uploaded");
            app.Run("INSERT INTO t SELECT randomblob(3000) FROM generate_series(1, 10);");
            await test.Logs.WaitForAsync("ltx file uploaded", 2);
            await store.SyncAsync();
            DatabaseStatus status = store.Database.GetStatus();
            Assert.Equal((2ul, 2ul, 2L, 0L), (status.Txid.Value, status.ReplicaTxid!.Value.Value, status.UploadedFiles, status.SyncErrorCount));
            Assert.True(status is { SyncCount: >= 2, TotalWalBytes: >= 10 * 4120, CheckpointCount: >= 1, LastSyncAt: not null, State: DatabaseState.Replicating });
        }

        await File.WriteAllTextAsync(test.Path + ".txt", new string('x', 5000));
        test.Configure = o => o with { Path = test.Path + ".txt" };
        await using ManualStore broken = await test.OpenAsync(new MemoryReplicaClient(), Unsynced, monitor: true);
        await test.Logs.WaitForAsync("monitor error");
        DatabaseStatus failing = broken.Database.GetStatus();
        Assert.True(failing is { State: DatabaseState.Failing, SyncErrorCount: >= 1, ConsecutiveErrors: >= 1, LastError: not null });
        Assert.Equal(new string('x', 5000), await File.ReadAllTextAsync(test.Path + ".txt"));
    }

    [Fact]
    public async Task Trap_A13_FailuresBackOffWhateverTheApplicationWrites()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        using var test = new TestDatabase { Time = time, Configure = o => o with { SyncInterval = TimeSpan.FromMilliseconds(1) } };
        using SqliteShell app = NewApplication(test);
        var files = new FaultyFileSystem(Unsynced);
        await using ManualStore store = await test.OpenAsync(new MemoryReplicaClient(), files, monitor: true);
        await time.AdvanceUntilAsync(() => test.Logs.Contains("ltx file uploaded"), AtOnce, "first copy");
        files.FillDisk();
        app.Run("INSERT INTO t VALUES (2);");
        await time.AdvanceUntilAsync(() => store.Database.GetStatus().ConsecutiveErrors == 1, TimeSpan.FromMinutes(2), "first failure");

        // Commits must not cut the pauses short: 1 s, 2 s, 4 s … 5 min.
        DateTimeOffset began = time.GetUtcNow();
        for (int i = 2; i <= 8; i++)
        {
            app.Run($"INSERT INTO t VALUES ({i});");
            await time.AdvanceUntilAsync(() => store.Database.GetStatus().ConsecutiveErrors == i, TimeSpan.FromMinutes(10), $"failure {i}", TimeSpan.FromMilliseconds(100));
        }

        Assert.InRange((time.GetUtcNow() - began).TotalSeconds, 126, 160);
        Assert.InRange(test.Logs.Count("disk full while staging ltx file"), 2, 6);
        files.Repair();
        await time.AdvanceUntilAsync(() => test.Logs.Contains("sync recovered"), TimeSpan.FromMinutes(10), "recovery", TimeSpan.FromSeconds(1));
        Assert.True(test.Logs.Contains("consecutive_errors=8"));
        Assert.Null(store.Database.GetStatus().LastError);
        Assert.Equal(DatabaseState.Replicating, store.Database.State);
    }

    [Fact]
    public void Trap_A13_DelaysDoubleToFiveMinutesAndLogsAreThirtySecondsApart()
    {
        var time = new FakeTimeProvider();
        var backoff = new Backoff(TimeSpan.FromSeconds(1), time);
        var delays = new List<double>();
        int logs = 0;
        for (int i = 0; i < 12; i++)
        {
            logs += backoff.Fail() ? 1 : 0;
            delays.Add(backoff.Delay.TotalSeconds);
            time.Advance(TimeSpan.FromSeconds(10));
        }

        Assert.Equal([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300], delays);
        Assert.Equal(4, logs);
        Assert.Equal(12, backoff.Succeed());
        Assert.True(backoff.Fail());
        Assert.Equal(TimeSpan.FromSeconds(1), backoff.Delay);
    }

    [Fact]
    public async Task Trap_A21_AnUnreachableReplicaIsSeenRetriedAndCaughtUp()
    {
        using var test = new TestDatabase { Configure = o => o with { SyncInterval = TimeSpan.FromMilliseconds(10) } };
        using SqliteShell app = NewApplication(test);
        var replica = new MemoryReplicaClient();
        var client = new FaultyReplicaClient(replica);
        await using ManualStore store = await test.OpenAsync(client, Unsynced, monitor: true);
        await test.Logs.WaitForAsync("ltx file uploaded");
        client.Fail(ReplicaOperation.Write, count: int.MaxValue);
        app.Run("INSERT INTO t VALUES (2);");
        await test.Logs.WaitForAsync("sync error");
        DatabaseStatus status = store.Database.GetStatus();
        Assert.Equal(DatabaseState.Failing, status.State);
        Assert.Contains("connection reset", status.LastError, StringComparison.Ordinal);
        app.Run("INSERT INTO t VALUES (3);");
        client.Repair();
        await test.Logs.WaitForAsync("sync recovered");
        await store.SyncAsync();
        Assert.Equal(DatabaseState.Replicating, store.Database.State);
        CaptureTests.AssertStates(new() { [store.Database.GetStatus().Txid.Value] = app.Image() }, test.LocalLevelZero);
        Assert.Equal(replica.Files[^1].MaxTxid, store.Database.GetStatus().Txid);
    }

    [Fact]
    public async Task Trap_A21_AnIdleDatabaseStaysHealthyWithoutARequest()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        using var test = new TestDatabase { Time = time };
        using SqliteShell app = NewApplication(test);
        var client = new FaultyReplicaClient(new MemoryReplicaClient());
        await using ManualStore store = await test.OpenAsync(client, Unsynced, monitor: true);
        await time.AdvanceUntilAsync(() => Idle(store), TimeSpan.FromSeconds(30), "quiet");
        int requests = client.TotalRequests;
        DateTimeOffset before = time.GetUtcNow();
        await time.AdvanceUntilAsync(
            () => store.Database.GetStatus().LastSyncAt > before + TimeSpan.FromMinutes(10), TimeSpan.FromHours(1), "refreshed", TimeSpan.FromSeconds(5));
        Assert.Equal(requests, client.TotalRequests);
    }

    [Fact]
    public async Task AnExplicitSyncThatIsGivenUpDoesNotStopTheUploads()
    {
        using var test = new TestDatabase { Configure = o => o with { SyncInterval = TimeSpan.FromMilliseconds(20) } };
        using SqliteShell app = NewApplication(test);
        var replica = new MemoryReplicaClient();
        var client = new HangingClient(replica);
        await using ManualStore store = await test.OpenAsync(client, Unsynced, monitor: true);
        using var impatience = new CancellationTokenSource();
        await client.Writing.WaitAsync(TimeSpan.FromSeconds(40));
        Task<Txid> sync = store.Database.SyncAsync(impatience.Token);
        await impatience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sync);
        client.LetGo();
        app.Run("INSERT INTO t VALUES (2);");
        await test.Logs.WaitForAsync("ltx file uploaded", 2);
    }

    [Fact]
    public async Task AFailedExplicitSyncIsFinishedByTheLoop()
    {
        using var test = new TestDatabase { Configure = o => o with { SyncInterval = TimeSpan.FromHours(1), MonitorInterval = TimeSpan.FromHours(1) } };
        using SqliteShell app = NewApplication(test);
        var client = new FaultyReplicaClient(new MemoryReplicaClient());
        await using ManualStore store = await test.OpenAsync(client, Unsynced, monitor: true);
        await test.Logs.WaitForAsync("ltx file uploaded");
        app.Run("INSERT INTO t VALUES (2);");
        client.Fail(ReplicaOperation.Write);
        await Record.ExceptionAsync(store.SyncAsync);

        // Nothing else is due for an hour; what the call sealed goes up all the same.
        await test.Logs.WaitForAsync("ltx file uploaded", 2);
    }

    [Fact]
    public async Task LocalFilesAreDeletedOnceTheyAreMergedAndOldButNeverTheNewestOrWhatIsNotUploaded()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var test = new TestDatabase { Time = time, Configure = o => o with { L0Retention = TimeSpan.FromMinutes(5), SyncInterval = TimeSpan.FromSeconds(1) } };
        using SqliteShell app = NewApplication(test);
        var client = new FaultyReplicaClient(new MemoryReplicaClient());
        await using ManualStore store = await test.OpenAsync(client, Unsynced, monitor: true);
        await time.AdvanceUntilAsync(() => Uploaded(store) == 1, AtOnce, "first copy");
        for (ulong i = 2; i <= 5; i++)
        {
            app.Run($"INSERT INTO t VALUES ({i});");
            await store.SyncAsync();
            Assert.Equal(i, Uploaded(store));
        }

        // Not old enough yet: everything stays.
        Assert.Equal(5, Local(test).Length);
        await time.AdvanceUntilAsync(() => Local(test).Length == 1, TimeSpan.FromMinutes(10), "deleted", TimeSpan.FromMilliseconds(500));
        Assert.Equal([LtxFileName.Format(new(5), new(5))], Local(test));

        client.Fail(ReplicaOperation.Write, count: int.MaxValue);
        app.Run("INSERT INTO t VALUES ('not uploaded');");
        await Record.ExceptionAsync(store.SyncAsync);
        time.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal([LtxFileName.Format(new(5), new(5)), LtxFileName.Format(new(6), new(6))], Local(test));
        client.Repair();
        await store.SyncAsync();
        Assert.Equal(6ul, Uploaded(store));
    }

    private static int LevelZero(MemoryReplicaClient replica) => replica.Files.Count(file => file.Level == 0);

    private static bool Idle(ManualStore store) =>
        store.Database.GetStatus() is { State: DatabaseState.Replicating, ReplicaTxid: { } remote, Txid: var local, LastSyncAt: not null } && remote == local && !local.IsNone;

    private static ulong Uploaded(ManualStore store) => store.Database.GetStatus().ReplicaTxid?.Value ?? 0;

    private static string[] Local(TestDatabase test) => [.. Directory.GetFiles(test.LocalLevelZero).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    private static SqliteShell NewApplication(TestDatabase test)
    {
        var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        return app;
    }
}
