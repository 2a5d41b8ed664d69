using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Litestream.Tests.Levels;

/// <summary>Traps of scheduling and retention that need the whole keeper (store-and-restore §15, replication §19).</summary>
public sealed class KeeperTraps
{
    private readonly Random random = new(5);

    // A schedule of fixed ticks that finds the database not ready skips a whole interval: a day, for snapshots.
    [Fact]
    public async Task Store_C2_ready_late_the_first_files_come_within_seconds()
    {
        using var scene = new LevelScene(LevelScene.Defaults);
        Assert.Null(scene.Keeper?.NextDue());
        scene.Clock.Now += TimeSpan.FromSeconds(2);
        await scene.StartAsync();
        await scene.SyncAsync(random);
        await scene.SyncAsync(random);
        await scene.SyncAsync(random);
        await scene.AdvanceAsync(TimeSpan.FromSeconds(5));
        Assert.Equal("0:1 0:2 0:3 1:3-3 9:2", FileText.Text(scene.Replica.Files.Where(file => file.Level is 0 or 1 or 9)));
    }

    // Half a level taken for the whole one: old points vanish, files are uploaded again, and TXIDs are given out twice.
    [Fact]
    public async Task Store_C17_a_failing_page_of_a_listing_is_not_its_end()
    {
        UnreliableReplica? pages = null;
        using var scene = new LevelScene(LevelScene.Defaults, owner => pages = new UnreliableReplica(owner.Replica, random, () => { }));
        await StartWithFilesAsync(scene, 5);
        for (int i = 0; i < 3; i++)
        {
            await scene.SyncAsync(random);
            await scene.AdvanceAsync(TimeSpan.FromSeconds(31));
        }

        string before = FileText.Text(scene.Keeper.Catalog[1]);

        pages!.ListedBeforeFailure = 2;
        await scene.AdvanceAsync(LevelScene.Defaults.AuditInterval * 1.2);
        Assert.True(scene.Keeper.Statistics.Failures > 0);
        Assert.Equal((0L, 0L), (scene.Keeper.Statistics.AuditFindings, scene.Keeper.Statistics.HealedFiles));
        Assert.Equal(before, FileText.Text(scene.Keeper.Catalog[1]));

        pages.ListedBeforeFailure = 1;
        await Assert.ThrowsAsync<ReplicaException>(() => new Restorer(pages, new MemoryFileSystem(), scene.Clock, NullLogger.Instance).PlanAsync(
            new RestoreOptions { OutputPath = "/out" }, CancellationToken.None));
        await Assert.ThrowsAsync<ReplicaException>(scene.StartAsync);
        pages.ListedBeforeFailure = null;
        await scene.StartAsync();
        Assert.Equal(8ul, scene.Position);
        await scene.AssertRestoresAsync(8);
    }

    // A worker that outlives its database uses a closed client; an error line for a wanted stop alarms for nothing.
    [Fact]
    public async Task Store_C20_cancelled_during_a_failing_compaction_ends_at_once_and_silently()
    {
        using var stop = new CancellationTokenSource();
        FaultyReplicaClient? client = null;
        using var scene = new LevelScene(LevelScene.Defaults, owner => client = new FaultyReplicaClient(owner.Replica)) { Logs = new RecordingLogs() };
        await StartWithFilesAsync(scene, 3);
        scene.Commit(random);
        await scene.UploadAsync();
        scene.Clock.Now += TimeSpan.FromSeconds(30);
        int written = client!.Count(ReplicaOperation.Write);
        client.OnRequest = (operation, level, _, _) =>
        {
            if (operation == ReplicaOperation.Write && level == 1)
            {
                stop.Cancel();
            }
        };
        client.Fail(ReplicaOperation.Write, count: 100);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => scene.Keeper.RunAsync(stop.Token).WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.Equal(written + 1, client.Count(ReplicaOperation.Write));
        Assert.DoesNotContain(scene.Logs.Records, record => record.Level >= LogLevel.Warning);
        Assert.Equal(0, scene.Keeper.Statistics.Failures);
        Assert.Equal(0, scene.Files.OpenFiles);
    }

    // Each holds up to 64 MiB: side by side a database would need twice what the limit promises.
    [Fact]
    public async Task Store_C22_one_database_never_merges_beside_its_snapshot()
    {
        using var go = new ManualResetEventSlim();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        FaultyReplicaClient? client = null;
        using var scene = new LevelScene(LevelScene.Defaults, owner => client = new FaultyReplicaClient(owner.Replica));
        await StartWithFilesAsync(scene, 4);
        scene.Clock.Now += TimeSpan.FromDays(1);
        scene.Commit(random);
        await scene.UploadAsync();
        scene.Clock.Now += TimeSpan.FromSeconds(31);
        int merged = scene.On(1).Count;
        client!.OnRequest = (operation, level, _, _) =>
        {
            if (operation == ReplicaOperation.Write && level == LtxFileInfo.SnapshotLevel)
            {
                entered.SetResult();
                go.Wait(TimeSpan.FromSeconds(40));
            }
        };
        Task snapshot = Task.Run(() => scene.Keeper.SnapshotAsync(CancellationToken.None));
        await entered.Task.WaitAsync(TimeSpan.FromSeconds(40));

        // Everything behind the turn is synchronous here: without the turn the merge would be done when the call returns.
        Task merge = scene.Keeper.RunAsync(CancellationToken.None);
        Assert.Equal((false, merged), (merge.IsCompleted, scene.On(1).Count));
        go.Set();
        await snapshot;
        await merge;
        Assert.Equal(merged + 1, scene.On(1).Count);
    }

    // What is gone counts as deleted, what is left is tried again; nothing else is touched.
    [Fact]
    public async Task Store_R14_a_deletion_that_fails_half_way_is_reported_and_repeated()
    {
        UnreliableReplica? replica = null;
        using var scene = new LevelScene(LevelScene.Defaults, owner => replica = new UnreliableReplica(owner.Replica, random, () => { }))
        {
            Logs = new RecordingLogs(),
        };
        await StartWithFilesAsync(scene, 20);
        Assert.Equal(20, scene.On(0).Count);
        replica!.DeletedBeforeFailure = 5;
        while (scene.Keeper.Statistics.Failures == 0)
        {
            await scene.AdvanceAsync(TimeSpan.FromSeconds(5));
        }

        Assert.Equal(15, scene.On(0).Count);
        Assert.True(scene.Logs.Contains("retention failed"));
        replica.DeletedBeforeFailure = null;
        await scene.AdvanceAsync(TimeSpan.FromMinutes(2));
        Assert.Equal("0:20", FileText.Text(scene.On(0)));
        Assert.Equal("0:20", FileText.Text(scene.Keeper.Catalog[0]));
        await scene.AssertRestoresAsync(20);
    }

    // Retention takes the level-0 files that a slow restore has planned.
    [Fact]
    public async Task Store_R15_a_restore_that_outlasts_snapshots_and_retention_finishes()
    {
        using var scene = new LevelScene(LevelScene.Defaults);
        await StartWithFilesAsync(scene, 6);
        bool isSlow = true;
        var client = new FaultyReplicaClient(scene.Replica)
        {
            OnRequest = (operation, _, _, _) =>
            {
                if (isSlow && operation == ReplicaOperation.Open)
                {
                    isSlow = false;
                    LiveAsync(scene, hours: 30).GetAwaiter().GetResult();
                }
            },
        };
        var output = new MemoryFileSystem();
        await new Restorer(client, output, scene.Clock, NullLogger.Instance).RestoreAsync(
            new RestoreOptions { OutputPath = "/out", Parallelism = 1 }, null, CancellationToken.None);
        using IFile file = output.OpenRead("/out");
        byte[] found = new byte[file.Length];
        file.Read(found, 0);
        Assert.True(scene.ImageOf(6).AsSpan().SequenceEqual(found), "the transaction that was planned, from other files");
        Assert.DoesNotContain(scene.Replica.Files, f => f.Level == 0 && f.MaxTxid.Value <= 6);
        Assert.True(scene.On(9).Count > 1);
    }

    // Without it the state directory grows for ever, or a file is gone that the next merge needs.
    [Fact]
    public async Task Trap_A2_level_0_here_and_there_ends_up_the_same_with_the_newest_kept()
    {
        using var scene = new LevelScene(LevelScene.Defaults);
        await StartWithFilesAsync(scene, 30);
        await scene.AdvanceAsync(TimeSpan.FromHours(1));
        Assert.Equal("0:30", FileText.Text(scene.On(0)));
        Assert.Equal([30ul], scene.Directory.List().Select(file => file.MaxTxid.Value));
        IReadOnlyList<LtxFileInfo> merged = scene.On(1);
        Assert.All(Enumerable.Range(1, merged.Count - 1), i => Assert.Equal(merged[i - 1].MaxTxid.Next, merged[i].MinTxid));
        Assert.Equal(30ul, merged[^1].MaxTxid.Value);
    }

    // A restore by time looks at nothing else.
    [Fact]
    public async Task Trap_A3_the_time_of_a_transaction_survives_upload_and_every_merge()
    {
        using var scene = new LevelScene(LevelScene.Defaults);
        await scene.StartAsync();
        var times = new Dictionary<ulong, long>();
        for (int i = 0; i < 40; i++)
        {
            scene.Commit(random);
            times[scene.Position] = scene.Clock.Now.ToUnixTimeMilliseconds();
            scene.Clock.Now += TimeSpan.FromMilliseconds(1234);
            await scene.UploadAsync();
            await scene.AdvanceAsync(TimeSpan.FromSeconds(20));
        }

        Assert.True(scene.On(2).Count > 1);
        Assert.All(scene.Replica.Files.Where(file => file.Level < LtxFileInfo.SnapshotLevel), file =>
        {
            LtxHeader header = LtxHeader.Parse(scene.Replica.Content(file.Level, file.MinTxid, file.MaxTxid).AsSpan(0, LtxFormat.HeaderSize));
            Assert.Equal((times[file.MaxTxid.Value], times[file.MaxTxid.Value]), (header.Timestamp, file.CreatedAt.ToUnixTimeMilliseconds()));
        });
    }

    // A reader that lists level 0 and then opens needs the time between.
    [Fact]
    public async Task Trap_A8_level_0_stays_for_its_retention_after_it_was_merged()
    {
        using var scene = new LevelScene(LevelScene.Defaults);
        await StartWithFilesAsync(scene, 5);
        ulong reached = scene.On(1)[^1].MaxTxid.Value;
        Assert.Equal(5ul, reached);
        scene.Commit(random);
        await scene.UploadAsync();
        await scene.AdvanceAsync(LevelScene.Defaults.L0Retention - TimeSpan.FromSeconds(45));
        Assert.Equal("0:1 0:2 0:3 0:4 0:5 0:6", FileText.Text(scene.On(0)));
        await scene.AdvanceAsync(TimeSpan.FromMinutes(3));
        Assert.Equal("0:6", FileText.Text(scene.On(0)));
    }

    // A floor at the newest snapshot deletes what a restore planned a second ago.
    [Fact]
    public async Task Trap_A33_a_plan_made_before_a_snapshot_can_be_read_after_it()
    {
        using var scene = new LevelScene(LevelScene.Defaults);
        await StartWithFilesAsync(scene, 3);
        await LiveAsync(scene, hours: 72);
        int snapshots = scene.Snapshots;
        RestorePlan plan = await new Restorer(scene.Replica, new MemoryFileSystem(), scene.Clock, NullLogger.Instance).PlanAsync(
            new RestoreOptions { OutputPath = "/out" }, CancellationToken.None);
        long deleted = scene.Keeper.Statistics.DeletedFiles;
        while (scene.Snapshots == snapshots)
        {
            scene.Clock.Now += TimeSpan.FromHours(1);
            await scene.SyncAsync(random);
        }

        await scene.AdvanceAsync(TimeSpan.FromMinutes(1));
        await scene.Keeper.EnforceRetentionAsync(CancellationToken.None);
        Assert.True(scene.Keeper.Statistics.DeletedFiles > deleted, "a retention that deletes nothing would prove nothing");
        HashSet<(int, ulong, ulong)> there = [.. scene.Replica.Files.Select(file => (file.Level, file.MinTxid.Value, file.MaxTxid.Value))];
        Assert.All(plan.Files.Where(file => file.Level > 0), file => Assert.Contains((file.Level, file.MinTxid.Value, file.MaxTxid.Value), there));
    }

    /// <summary>So many transactions, all merged into level 1.</summary>
    private async Task StartWithFilesAsync(LevelScene scene, int count)
    {
        await scene.StartAsync();
        for (int i = 0; i < count; i++)
        {
            await scene.SyncAsync(random);
        }

        await scene.AdvanceAsync(TimeSpan.FromSeconds(31));
    }

    private async Task LiveAsync(LevelScene scene, int hours)
    {
        for (int i = 0; i < hours; i += 6)
        {
            await scene.AdvanceAsync(TimeSpan.FromHours(6));
            await scene.SyncAsync(random);
        }
    }
}
