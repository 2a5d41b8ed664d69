using Litestream.Ltx;
using Litestream.Storage;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Capture;
using Litestream.Tests.Support;
using Microsoft.Extensions.Logging;

namespace Litestream.Tests.Upload;

/// <summary>What goes up, when the replica fails, and how a database ends (replication §10, §13, §19).</summary>
public sealed class UploadTraps
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    [Fact]
    public async Task Trap_A14_ClosingTwiceAndAfterACancelledPassCleansUp()
    {
        using var test = new TestDatabase();
        using SqliteShell app = NewApplication(test);
        ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        app.Run("INSERT INTO t VALUES (2);");
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.Database.SyncAsync(new CancellationToken(canceled: true)));
        await store.CloseAsync();
        await store.CloseAsync();
        await store.DisposeAsync();
        await store.DisposeAsync();
        CaptureTests.AssertStates(new() { [2] = app.Image() }, test.RemoteLevelZero);
        Assert.StartsWith("0|", app.Run("PRAGMA wal_checkpoint(TRUNCATE);")[0], StringComparison.Ordinal);
        Assert.DoesNotContain(test.Logs.Records, r => r.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task Trap_A15_TheFinalUploadIsRetriedUntilItSucceeds()
    {
        using var test = new TestDatabase { Configure = o => o with { ShutdownSyncInterval = TimeSpan.FromMilliseconds(1) } };
        using SqliteShell app = NewApplication(test);
        var client = new FaultyReplicaClient(new MemoryReplicaClient());
        await using ManualStore store = await test.OpenAsync(client);
        client.Fail(ReplicaOperation.Write, count: 3);
        await store.CloseAsync();
        Assert.Equal(4, client.Count(ReplicaOperation.Write));
        Assert.Equal(3, test.Logs.Count("shutdown sync failed, retrying"));
        Assert.True(test.Logs.Contains("shutdown sync succeeded after retry"));
        Assert.True(test.Logs.Contains("attempts=4"));
    }

    [Fact]
    public async Task Trap_A15_TheFinalUploadIsGivenUpAtTheTimeout()
    {
        using var test = new TestDatabase
        {
            Configure = o => o with { ShutdownSyncInterval = TimeSpan.FromMilliseconds(20), ShutdownSyncTimeout = TimeSpan.FromMilliseconds(1500) },
        };
        using SqliteShell app = NewApplication(test);
        var client = new FaultyReplicaClient(new MemoryReplicaClient());
        await using ManualStore store = await test.OpenAsync(client);
        client.Fail(ReplicaOperation.Write, count: int.MaxValue);
        (ReplicatedDatabase _, Exception error) = Assert.Single(await store.TryCloseAsync().WaitAsync(Patience));
        Assert.Matches("^shutdown sync timeout after [0-9]+ attempts: Write: connection reset by peer$", error.Message);
        Assert.InRange(client.Count(ReplicaOperation.Write), 2, 80);
        Assert.StartsWith("0|", app.Run("PRAGMA wal_checkpoint(TRUNCATE);")[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trap_A15_TimeoutZeroIsOneAttempt()
    {
        using var test = new TestDatabase { Configure = o => o with { ShutdownSyncTimeout = TimeSpan.Zero } };
        using SqliteShell app = NewApplication(test);
        var client = new FaultyReplicaClient(new MemoryReplicaClient());
        await using ManualStore store = await test.OpenAsync(client);
        client.Fail(ReplicaOperation.Write, count: int.MaxValue);
        Assert.Single(await store.TryCloseAsync().WaitAsync(Patience));
        Assert.Equal(1, client.Count(ReplicaOperation.Write));
    }

    [Fact]
    public async Task Trap_A15_ASecondSignalEndsAnUploadInFlight()
    {
        using var test = new TestDatabase();
        using SqliteShell app = NewApplication(test);
        var client = new HangingClient(new MemoryReplicaClient());
        await using ManualStore store = await test.OpenAsync(client);
        using var interrupt = new CancellationTokenSource();
        Task<IReadOnlyList<(ReplicatedDatabase Database, Exception Error)>> closing = store.TryCloseAsync(interrupt.Token);
        await client.Writing.WaitAsync(Patience);
        await interrupt.CancelAsync();
        (ReplicatedDatabase _, Exception error) = Assert.Single(await closing.WaitAsync(Patience));
        Assert.Contains("interrupted", error.Message, StringComparison.Ordinal);
        Assert.True(test.Logs.Contains("shutdown sync interrupted by signal"));
        Assert.StartsWith("0|", app.Run("PRAGMA wal_checkpoint(TRUNCATE);")[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trap_A15_ASecondSignalEndsTheRetries()
    {
        using var test = new TestDatabase { Configure = o => o with { ShutdownSyncInterval = TimeSpan.FromHours(1), ShutdownSyncTimeout = TimeSpan.FromHours(9) } };
        using SqliteShell app = NewApplication(test);
        var client = new FaultyReplicaClient(new MemoryReplicaClient());
        await using ManualStore store = await test.OpenAsync(client);
        client.Fail(ReplicaOperation.Write, count: int.MaxValue);
        using var interrupt = new CancellationTokenSource();
        Task<IReadOnlyList<(ReplicatedDatabase Database, Exception Error)>> closing = store.TryCloseAsync(interrupt.Token);
        await test.Logs.WaitForAsync("shutdown sync failed, retrying");
        await interrupt.CancelAsync();
        Assert.Single(await closing.WaitAsync(Patience));
        Assert.Equal(1, client.Count(ReplicaOperation.Write));
    }

    [Fact]
    public async Task Trap_B47_ASecondSignalBeforeAnythingWasTriedStillGetsOneAttempt()
    {
        using var test = new TestDatabase();
        using SqliteShell app = NewApplication(test);
        await using ManualStore store = await test.OpenAsync();
        Assert.Empty(await store.TryCloseAsync(new CancellationToken(canceled: true)).WaitAsync(Patience));
        CaptureTests.AssertStates(new() { [1] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_A18_ASnapshotBeforeTheDatabaseExistsIsQuiet()
    {
        using var test = new TestDatabase();
        await using ManualStore store = await test.OpenAsync();
        Assert.Null(await store.Database.SnapshotAsync(CancellationToken.None));
        Assert.Equal(0ul, await store.SyncAsync());
        Assert.False(File.Exists(test.Path));
        using SqliteShell app = NewApplication(test);
        LtxFileInfo? snapshot = await store.Database.SnapshotAsync(CancellationToken.None);
        Assert.Equal((1ul, 1ul), (snapshot!.Value.MinTxid.Value, snapshot.Value.MaxTxid.Value));
        Assert.Equal(app.Image(), Chain.StateOf(Path.Combine(test.Replica, "ltx", "9", snapshot.Value.Name)));
        Assert.DoesNotContain(test.Logs.Records, r => r.Level >= LogLevel.Error);
    }

    [Fact]
    public async Task Trap_A20_AnUploadIsLoggedWithSizeAndTxids()
    {
        using var test = new TestDatabase();
        using SqliteShell app = NewApplication(test);
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        long size = new FileInfo(Path.Combine(test.RemoteLevelZero, LtxFileName.Format(new(1), new(1)))).Length;
        (LogLevel level, string text) = Assert.Single(test.Logs.Records, r => r.Text.Contains("ltx file uploaded", StringComparison.Ordinal));
        Assert.Equal(LogLevel.Debug, level);
        Assert.Contains($"level=0 minTXID=0000000000000001 maxTXID=0000000000000001 size={size}", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trap_A23_WaitersAreCancelledPromptlyServedInTurnAndCloseReleases()
    {
        using var test = new TestDatabase();
        using SqliteShell app = NewApplication(test);
        var client = new HangingClient(new MemoryReplicaClient()) { HangLists = true };
        await using ManualStore store = await test.OpenAsync(client);
        Task<Txid> holder = store.Database.SyncAsync(CancellationToken.None);
        await client.Listing.WaitAsync(Patience);
        using var impatience = new CancellationTokenSource();
        Task<Txid> cancelled = store.Database.SyncAsync(impatience.Token);
        Task<Txid> queued = store.Database.SyncAsync(CancellationToken.None);
        await impatience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.WaitAsync(Patience));
        Assert.False(queued.IsCompleted);
        client.LetGo();
        Assert.Equal(1ul, (await holder.WaitAsync(Patience)).Value);
        Assert.Equal(1ul, (await queued.WaitAsync(Patience)).Value);
        await store.TryCloseAsync(new CancellationToken(canceled: true)).WaitAsync(Patience);
        Assert.StartsWith("0|", app.Run("PRAGMA wal_checkpoint(TRUNCATE);")[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trap_A27_ABacklogGoesUpAtOnceWhateverTheBatchAndTheInterval()
    {
        using var test = new TestDatabase { Configure = o => o with { MaxSyncLtxFiles = 1, SyncInterval = TimeSpan.FromHours(1) } };
        using SqliteShell app = NewApplication(test);
        var replica = new MemoryReplicaClient();
        var client = new FaultyReplicaClient(replica);
        await using (ManualStore store = await test.OpenAsync(client))
        {
            client.Fail(ReplicaOperation.Write, count: int.MaxValue);
            for (int i = 0; i < 3; i++)
            {
                app.Run($"INSERT INTO t VALUES ({i});");
                await Assert.ThrowsAsync<ReplicaException>(store.SyncAsync);
            }

            Assert.Equal(3ul, store.Database.GetStatus().Txid.Value);
        }

        client.Repair();
        await using ManualStore again = await test.OpenAsync(client, monitor: true);
        await test.Logs.WaitForAsync("ltx file uploaded", 3);
        Assert.Equal(3, replica.Files.Count);
    }

    [Fact]
    public async Task Trap_A28_AClientThatReturnsWithoutReadingASnapshotLeavesNoReaderBehind()
    {
        using var test = new TestDatabase();
        using SqliteShell app = NewApplication(test);
        app.Run("INSERT INTO t SELECT randomblob(3000) FROM generate_series(1, 3000);");
        var client = new SkippingClient(new MemoryReplicaClient());
        await using ManualStore store = await test.OpenAsync(client);
        await store.SyncAsync();
        await store.Database.SnapshotAsync(CancellationToken.None).WaitAsync(Patience);
        Assert.Equal(1, client.Skipped);
        app.Run("INSERT INTO t VALUES ('next');");
        await store.SyncAsync();
        string[] row = app.Run("PRAGMA wal_checkpoint(PASSIVE);")[0].Split('|');
        Assert.Equal(row[1], row[2]);
    }

    [Fact]
    public async Task Trap_B3_ACancelledCallDoesNotTakeTheReadLockWithIt()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 1 } };
        using SqliteShell app = NewApplication(test);
        await using ManualStore store = await test.OpenAsync();
        using (var request = new CancellationTokenSource())
        {
            await store.Database.SyncAsync(request.Token);
            await request.CancelAsync();
        }

        app.Run("INSERT INTO t VALUES (2);");
        Assert.StartsWith("1|", app.Run("PRAGMA wal_checkpoint(TRUNCATE);")[0], StringComparison.Ordinal);
        CaptureTests.AssertStates(new() { [await store.SyncAsync()] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_B10_WhileTheReplicaCannotBeReachedTheWalWaits()
    {
        using var test = new TestDatabase();
        using SqliteShell app = NewApplication(test);
        var replica = new MemoryReplicaClient();
        await using (ManualStore store = await test.OpenAsync(replica))
        {
            await store.SyncAsync();
        }

        var client = new FaultyReplicaClient(replica);
        client.Fail(ReplicaOperation.List, count: int.MaxValue);
        await using ManualStore again = await test.OpenAsync(client);
        await Assert.ThrowsAsync<ReplicaException>(again.SyncAsync);
        app.Run("INSERT INTO t VALUES (2);");
        Assert.StartsWith("1|", app.Run("PRAGMA wal_checkpoint(TRUNCATE);")[0], StringComparison.Ordinal);
        client.Repair();
        Assert.Equal(2ul, await again.SyncAsync());
        Assert.True(Chain.PageCount(Path.Combine(test.LocalLevelZero, LtxFileName.Format(new(2), new(2)))) < 2, "nothing was missed, so an increment");
        CaptureTests.AssertStates(new() { [2] = app.Image() }, test.LocalLevelZero);
    }

    [Fact]
    public async Task AStatusIsAnsweredWhileTheReplicaHangs()
    {
        using var test = new TestDatabase();
        using SqliteShell app = NewApplication(test);
        var client = new HangingClient(new MemoryReplicaClient()) { HangLists = true };
        await using ManualStore store = await test.OpenAsync(client);
        Task<Txid> sync = store.Database.SyncAsync(CancellationToken.None);
        await client.Listing.WaitAsync(Patience);
        Assert.Null(store.Database.GetStatus().ReplicaTxid);
        client.LetGo();
        await sync.WaitAsync(Patience);
    }

    private static SqliteShell NewApplication(TestDatabase test)
    {
        var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        return app;
    }
}
