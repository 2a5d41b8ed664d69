using System.Globalization;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Fleet;

/// <summary>Many databases in one store: starting, failing, waiting and leaving without disturbing each other.</summary>
public sealed class FleetTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    private readonly TempDirectory folder = new();
    private readonly FakeTimeProvider time = new(DateTimeOffset.UnixEpoch.AddYears(50));
    private readonly RecordingLogs logs = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Store_C19_FiveHundredDatabasesAreOpenedFiftyAtATimeAndFiftyThatHangKeepNobodyOut()
    {
        await using ReplicationStore store = NewStore();
        var counters = new FleetCounters { Hold = true };
        foreach (string path in Databases(500))
        {
            store.Add(new DatabaseOptions { Path = path }, new GuardedClient(new MemoryReplicaClient(), counters));
        }

        await store.OpenAsync(monitor: true, CancellationToken.None);
        await time.AdvanceUntilAsync(() => counters.Entered == OpeningGate.Places, TimeSpan.Zero, "first fifty");
        for (int i = 0; i < 100; i++)
        {
            await Task.Yield();
        }

        Assert.Equal(OpeningGate.Places, counters.Entered);
        Assert.InRange(Directory.GetFiles(folder.Root, "*-shm").Length, 1, OpeningGate.Places);
        time.Advance(OpeningGate.Patience);
        await time.AdvanceUntilAsync(() => counters.Entered == OpeningGate.Places * 2, TimeSpan.Zero, "fifty more, although the first hang");
        counters.LetGo();
        await time.AdvanceUntilAsync(() => store.Databases.All(d => d.State == DatabaseState.Replicating), Soon, "all");
        await logs.WaitForAsync("databases opened");
    }

    [Fact]
    public async Task Store_C19_OneClientThatCanNeverWorkFailsTheStartBeforeAnyDatabaseIsOpened()
    {
        await using ReplicationStore store = NewStore();
        string[] paths = Databases(20);
        foreach (string path in paths)
        {
            var client = new FaultyReplicaClient(new MemoryReplicaClient());
            if (path == paths[13])
            {
                client.Fail(ReplicaOperation.Initialize, failure: () => new ReplicaException("no such bucket", isTransient: false));
            }

            store.Add(new DatabaseOptions { Path = path }, client);
        }

        ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(() => store.OpenAsync(monitor: true, CancellationToken.None));
        Assert.Contains($"initialize replica client for \"{paths[13]}\"", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.Root, "*-shm"));
    }

    [Fact]
    public async Task AStoreThatDoesNotAnswerAtTheStartIsTriedAgainAndTheOthersRun()
    {
        await using ReplicationStore store = NewStore();
        string[] paths = Databases(3);
        var failing = new FaultyReplicaClient(new MemoryReplicaClient());
        failing.Fail(ReplicaOperation.Initialize, count: 2, failure: () => new ReplicaException("connection refused", isTransient: true));
        ReplicatedDatabase late = store.Add(new DatabaseOptions { Path = paths[0] }, failing);
        ReplicatedDatabase[] others = [.. paths[1..].Select(path => store.Add(new DatabaseOptions { Path = path }, new MemoryReplicaClient()))];
        await store.OpenAsync(monitor: true, CancellationToken.None);
        await time.AdvanceUntilAsync(() => others.All(IsReplicated) && late.State == DatabaseState.Failing, TimeSpan.Zero, "the others");
        await time.AdvanceUntilAsync(() => IsReplicated(late), Soon, "tried again", TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public async Task DatabasesLockedByTheirApplicationAndStoresThatHangHoldUpNobody()
    {
        await using ReplicationStore store = NewStore();
        string[] paths = Databases(20);
        SqliteShell[] owners = [.. paths[..6].Select(path => new SqliteShell(path, walMode: false))];
        try
        {
            foreach (SqliteShell owner in owners)
            {
                owner.Run("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; INSERT INTO t VALUES (2);");
            }

            // With SQLite's own waiting each of them would keep a worker slot for ten minutes of real time.
            foreach (string path in paths[..6])
            {
                store.Add(new DatabaseOptions { Path = path, BusyTimeout = TimeSpan.FromMinutes(10) }, new MemoryReplicaClient());
            }

            HangingClient[] hanging = [.. paths[6..19].Select((_, i) => new HangingClient(new MemoryReplicaClient()) { HangLists = i % 2 == 0 })];
            foreach ((string path, HangingClient client) in paths[6..19].Zip(hanging))
            {
                store.Add(new DatabaseOptions { Path = path }, client);
            }

            ReplicatedDatabase ordinary = store.Add(new DatabaseOptions { Path = paths[19] }, new MemoryReplicaClient());
            await store.OpenAsync(monitor: true, CancellationToken.None);
            await time.AdvanceUntilAsync(() => IsReplicated(ordinary), TimeSpan.Zero, "the ordinary one");
            Assert.DoesNotContain(store.Databases.Take(6), IsReplicated);
        }
        finally
        {
            foreach (SqliteShell owner in owners)
            {
                owner.Dispose();
            }
        }

        await time.AdvanceUntilAsync(() => store.Databases.Take(6).All(IsReplicated), TimeSpan.FromMinutes(10), "released", TimeSpan.FromMilliseconds(50));
    }

    [Fact]
    public async Task Store_C18_SyncSnapshotAndRemovalInParallelNeverUseAClosedClient()
    {
        await using ReplicationStore store = NewStore();
        await store.OpenAsync(monitor: true, CancellationToken.None);
        var counters = new FleetCounters();
        string path = Databases(1)[0];
        using var app = new SqliteShell(path);
        for (int round = 0; round < 20; round++)
        {
            ReplicatedDatabase database = await store.AddAsync(
                new DatabaseOptions { Path = path }, new GuardedClient(new MemoryReplicaClient(), counters), CancellationToken.None);
            var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Task[] work = [.. Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
            {
                try
                {
                    while (true)
                    {
                        _ = worker % 2 == 0
                            ? await database.SyncAsync(CancellationToken.None) as object
                            : await database.SnapshotAsync(CancellationToken.None);
                        begun.TrySetResult();
                    }
                }
                catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
                {
                    // The database was removed under it: the only way this may end.
                }
            }))];
            app.Run(string.Create(CultureInfo.InvariantCulture, $"INSERT INTO t VALUES ({round});"));
            await begun.Task;
            await store.RemoveAsync(database, CancellationToken.None);
            await Task.WhenAll(work);
            await store.RemoveAsync(database, CancellationToken.None);
            Assert.False(store.Contains(path));
        }

        Assert.Equal(0, counters.UsesAfterRelease);
    }

    [Fact]
    public async Task ARemovedDatabaseLeavesNoDescriptorAndNothingThatIsCapturedBehind()
    {
        await using ReplicationStore store = NewStore();
        await store.OpenAsync(monitor: true, CancellationToken.None);
        string path = Databases(1)[0];
        using (var app = new SqliteShell(path))
        {
            var replica = new MemoryReplicaClient();
            ReplicatedDatabase database = await store.AddAsync(new DatabaseOptions { Path = path }, replica, CancellationToken.None);
            await time.AdvanceUntilAsync(() => IsReplicated(database), TimeSpan.Zero, "added");
            app.Run("INSERT INTO t VALUES (2);");
            await store.RemoveAsync(database, CancellationToken.None);
            Assert.Equal(2, replica.Files.Count(file => file.Level == 0));
        }

        Assert.DoesNotContain(
            Directory.GetFiles("/proc/self/fd").Select(link => new FileInfo(link).LinkTarget),
            target => target?.StartsWith(folder.Root, StringComparison.Ordinal) == true);
    }

    private static bool IsReplicated(ReplicatedDatabase database) =>
        database.State == DatabaseState.Replicating && database.GetStatus().ReplicaTxid is { IsNone: false };

    private ReplicationStore NewStore() => new(new EngineServices(new UnsyncedFileSystem(LocalFileSystem.Instance), time, logs));

    private string[] Databases(int count)
    {
        string template = folder["template"];
        using (var app = new SqliteShell(template))
        {
            app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1); PRAGMA wal_checkpoint(TRUNCATE);");
        }

        string[] paths = [.. Enumerable.Range(0, count).Select(i => folder[string.Create(CultureInfo.InvariantCulture, $"{i}.db")])];
        foreach (string path in paths)
        {
            File.Copy(template, path);
        }

        foreach (string side in (string[])["", "-wal", "-shm"])
        {
            File.Delete(template + side);
        }

        return paths;
    }
}
