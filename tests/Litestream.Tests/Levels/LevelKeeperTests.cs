using Litestream.Levels;
using Litestream.Storage;
using Litestream.Tests.Support;

namespace Litestream.Tests.Levels;

/// <summary>The keeper with the real uploader and merger over a replica in memory.</summary>
public sealed class LevelKeeperTests
{
    private readonly Random random = new(1);

    // Stores take a limited number of parts: without a bound the parts stay small, and a file of more than 48.8 GiB fails at the 10,001st (decision D34).
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_upload_says_beforehand_how_large_it_can_become(bool localLevels)
    {
        BoundClient? bounds = null;
        using var scene = new LevelScene(LevelScene.Defaults with { LocalLevels = localLevels }, owner => bounds = new BoundClient(owner.Replica));
        await scene.StartAsync();
        for (int i = 0; i < 40; i++)
        {
            await scene.SyncAsync(random);
            await scene.AdvanceAsync(TimeSpan.FromSeconds(10));
        }

        await scene.AdvanceAsync(TimeSpan.FromDays(1));
        await scene.SyncAsync(random);
        Assert.Equal([0, 1, 2, 3, 9], bounds!.Writes.Select(write => write.Level).Distinct().Order());
        Assert.All(bounds.Writes, write => Assert.True(write.Bound >= write.Size, $"level {write.Level}: {write.Bound?.ToString() ?? "no bound"} for {write.Size} bytes"));
    }

    // A process that is restarted in a loop must not merge each time.
    [Fact]
    public async Task Store_C4_restarts_in_one_window_write_one_file()
    {
        using var scene = new LevelScene(LevelScene.Defaults);
        await scene.StartAsync();
        for (int i = 0; i < 40; i++)
        {
            await scene.SyncAsync(random);
            await scene.AdvanceAsync(TimeSpan.FromSeconds(1));
        }

        int before = scene.On(1).Count;
        for (int restart = 0; restart < 5; restart++)
        {
            await scene.StartAsync();
            await scene.SyncAsync(random);
            await scene.AdvanceAsync(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(before, scene.On(1).Count);
        Assert.Single(scene.On(9));
        await scene.AdvanceAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(before + 1, scene.On(1).Count);
    }

    // The base is level 0; a copy of it would double what a large database uploads, and each empty level would add one more (D4).
    [Fact]
    public async Task Store_C3_the_first_file_gets_no_snapshot_and_an_idle_database_no_second_one()
    {
        using var scene = new LevelScene(LevelScene.Defaults);
        await scene.StartAsync();
        await scene.SyncAsync(random);
        await scene.AdvanceAsync(TimeSpan.FromDays(1));
        Assert.Equal("0:1", FileText.Text(scene.Replica.Files));
        await scene.SyncAsync(random);
        await scene.SyncAsync(random);
        Assert.Equal("0:1 0:2 0:3 1:3-3 2:3-3 3:3-3 9:2", FileText.Text(scene.Replica.Files));
        await scene.AdvanceAsync(TimeSpan.FromDays(5));
        Assert.Equal(2, scene.Snapshots);
        Assert.Null(scene.Keeper.NextDue());
    }

    // A store that is lost in a write answers with an error; going on from what we remember would write an overlapping file.
    [Fact]
    public async Task Store_C14_a_write_that_failed_after_storing_is_not_written_again()
    {
        UnreliableReplica? late = null;
        using var scene = new LevelScene(LevelScene.Defaults, owner => late = new UnreliableReplica(owner.Replica, new Random(3), () => { }));
        await scene.StartAsync();
        for (int i = 0; i < 200; i++)
        {
            late!.FailureRate = i % 3 == 0 ? 0.3 : 0;
            await Record.ExceptionAsync(() => scene.SyncAsync(random));
            await scene.AdvanceAsync(TimeSpan.FromSeconds(10));
        }

        Assert.True(scene.Keeper.Statistics.Failures > 5);
        for (int level = 1; level <= 3; level++)
        {
            IReadOnlyList<LtxFileInfo> files = scene.On(level);
            Assert.All(Enumerable.Range(1, files.Count - 1), i => Assert.Equal(files[i - 1].MaxTxid.Next, files[i].MinTxid));
        }
    }

    [Fact]
    public async Task Store_R9_without_retention_only_local_files_go()
    {
        using var scene = new LevelScene(LevelScene.Defaults with { RetentionEnabled = false });
        await scene.StartAsync();
        for (int i = 0; i < 100; i++)
        {
            await scene.SyncAsync(random);
            await scene.AdvanceAsync(TimeSpan.FromSeconds(20));
        }

        Assert.Equal(100, scene.On(0).Count);
        Assert.InRange(scene.Directory.List().Count, 1, 30);
        Assert.InRange(scene.Keeper.Catalog[0].Count, 1, 30);
    }

    // Hours of writes: the state directory stays small, and what was not uploaded stays.
    [Fact]
    public async Task Store_R8_the_state_directory_stays_bounded()
    {
        using var scene = new LevelScene(LevelScene.Defaults);
        await scene.StartAsync();
        for (int i = 0; i < 1000; i++)
        {
            await scene.SyncAsync(random);
            await scene.AdvanceAsync(TimeSpan.FromSeconds(15));
        }

        Assert.InRange(scene.Directory.List().Count, 2, 30);
        Assert.InRange(scene.Directory.List(1).Count, 0, 12);
        Assert.InRange(scene.Directory.List(2).Count, 0, 14);
        scene.Commit(random);
        await scene.AdvanceAsync(TimeSpan.FromDays(3));
        Assert.Equal(scene.Position, scene.Directory.NewestTxid().Value);
        await scene.UploadAsync();
        await scene.AssertRestoresAsync(1001);
    }

    // Three lost files that the state directory still has come back; a fourth costs a snapshot, not the level.
    [Fact]
    public async Task Store_C10_a_gap_heals_from_local_files_or_is_bridged_by_a_snapshot()
    {
        using var scene = new LevelScene(LevelScene.Defaults);
        await scene.StartAsync();
        for (int i = 0; i < 6; i++)
        {
            await scene.SyncAsync(random);
        }

        Assert.True(scene.Replica.Remove(0, new(5), new(5)));
        await scene.StartAsync();
        await scene.AdvanceAsync(TimeSpan.FromMinutes(1));
        Assert.Contains("0:5", FileText.Text(scene.On(0)), StringComparison.Ordinal);
        Assert.Equal("1:3-3 1:4-6", FileText.Text(scene.On(1)));

        for (int i = 0; i < 4; i++)
        {
            await scene.SyncAsync(random);
        }

        Assert.True(scene.Replica.Remove(0, new(8), new(8)));
        scene.Directory.Delete(new LtxFileInfo(0, new(8), new(8), 0, default));
        await scene.StartAsync();
        await scene.AdvanceAsync(TimeSpan.FromMinutes(1));
        Assert.Equal("9:2 9:10", FileText.Text(scene.On(9)));
        await scene.SyncAsync(random);
        await scene.AdvanceAsync(TimeSpan.FromMinutes(1));
        Assert.Equal("1:3-3 1:4-6 1:7-7 1:11-11", FileText.Text(scene.On(1)));
        await scene.AssertRestoresAsync(11);
    }
}
