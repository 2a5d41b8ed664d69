using System.Globalization;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Levels;

/// <summary>
/// What a day costs (decisions D5, D6): the uploader, keeper and merger of the product over a store that counts as it bills. The idle
/// day runs through the whole daemon's engine too, with SQLite, on a clock that the test moves.
/// </summary>
public sealed class LevelDayTests(ITestOutputHelper output)
{
    private const int Day = 86_400;

    /// <summary>The days before: every level holds what it holds for good, and the daily deletion falls into the counted day.</summary>
    private const int DaysBefore = 2;

    // Writes until midnight, then nothing: what is left to merge, to expire and to audit has its end.
    [Theory]
    [InlineData(0)]
    [InlineData(3600)]
    public async Task An_idle_day_makes_no_request(int auditSeconds)
    {
        CountingReplicaClient? counting = null;
        using var scene = new LevelScene(
            LevelScene.Defaults with { AuditInterval = TimeSpan.FromSeconds(auditSeconds) },
            owner => counting = new CountingReplicaClient(owner.Replica));
        var random = new Random(1);
        await scene.StartAsync();
        RequestCounts started = counting!.Counts;
        for (int i = 0; i < 500; i++)
        {
            await scene.SyncAsync(random);
            await scene.AdvanceAsync(TimeSpan.FromSeconds(10));
        }

        await scene.AdvanceAsync(TimeSpan.FromDays(3));
        RequestCounts settled = counting.Counts - started;
        output.WriteLine($"settled: {settled}");
        Assert.Equal(auditSeconds == 0, settled.List == 0);
        Assert.True(settled is { Put: > 500, Get: 0, Delete: > 10 });
        Assert.Null(scene.Keeper.NextDue());
        await scene.AdvanceAsync(TimeSpan.FromDays(1));
        Assert.Equal(settled, counting.Counts - started);
    }

    [Fact]
    public async Task An_idle_day_of_the_whole_engine_makes_no_request()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        using var test = new TestDatabase { Time = time };
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v);");
        var counting = new CountingReplicaClient(new MemoryReplicaClient());
        await using ManualStore store = await test.OpenAsync(counting, new UnsyncedFileSystem(LocalFileSystem.Instance), monitor: true);
        for (int i = 0; i < 4; i++)
        {
            app.Run($"INSERT INTO t VALUES ({i});");
            await store.SyncAsync();

            // The first snapshot is due with the second transaction. Taken later it would hold all of them, and nothing be left to merge.
            await time.AdvanceUntilAsync(
                () => i == 0 || counting.OfLevel(LtxFileInfo.SnapshotLevel).Put == 1, TimeSpan.FromMinutes(1), "first snapshot", TimeSpan.FromSeconds(1));
        }

        TimeSpan step = TimeSpan.FromMinutes(2);
        DateTimeOffset began = time.GetUtcNow();
        await time.AdvanceUntilAsync(
            () => time.GetUtcNow() - began >= TimeSpan.FromDays(3) && store.Database.Levels.NextDue() is null,
            TimeSpan.FromDays(5), "levels have settled", step);
        RequestCounts settled = counting.Counts;
        output.WriteLine($"settled: {settled}");

        // It did go through the levels, a second snapshot, retention and audits. How the first merge and the commits meet is up to the threads.
        Assert.All([1, 2, 3], level => Assert.InRange(counting.OfLevel(level).Put, 1, 4));
        Assert.Equal(2, counting.OfLevel(LtxFileInfo.SnapshotLevel).Put);
        Assert.True(settled is { Delete: > 0, List: > LtxFileInfo.LevelCount });
        DateTimeOffset quiet = time.GetUtcNow();
        await time.AdvanceUntilAsync(() => time.GetUtcNow() - quiet >= TimeSpan.FromDays(1), TimeSpan.FromDays(2), "a day", step);
        Assert.Equal(settled, counting.Counts);
        Assert.Equal(DatabaseState.Replicating, store.Database.State);
    }

    // D6: at one commit a second PUT <= 86,400 + 3,193, no GET, one listing of each level an audit, DELETE calls <= 2,880.
    [Fact]
    public async Task Decision_D6_a_day_of_one_commit_a_second_stays_within_the_bars()
    {
        int seconds = int.TryParse(Environment.GetEnvironmentVariable("LEVEL_DAY_SECONDS"), CultureInfo.InvariantCulture, out int set) ? set : Day;
        FaultyReplicaClient? listings = null;
        CountingReplicaClient? counting = null;
        using var scene = new LevelScene(
            LevelScene.Defaults, owner => counting = new CountingReplicaClient(listings = new FaultyReplicaClient(owner.Replica)));
        var random = new Random(1);
        await scene.StartAsync();
        await CommitAsync(scene, random, TimeSpan.FromSeconds(20), DaysBefore * Day / 20);
        await CommitAsync(scene, random, TimeSpan.FromSeconds(1), 1000);
        RequestCounts before = counting!.Counts;
        int listed = listings!.Count(ReplicaOperation.List);
        await CommitAsync(scene, random, TimeSpan.FromSeconds(1), seconds);
        RequestCounts day = counting.Counts - before;
        listed = listings.Count(ReplicaOperation.List) - listed;
        long pages = day.List - listed;
        output.WriteLine($"{seconds} s: {day}, listings {listed}, further pages {pages}");
        foreach (int level in (int[])[0, 1, 2, 3, 9])
        {
            output.WriteLine($"level {level}: {counting.OfLevel(level)}, files {scene.On(level).Count}");
        }

        int windows = Windows(seconds, 30) + Windows(seconds, 300) + Windows(seconds, 3600) + Windows(seconds, Day);
        int audits = Windows(seconds, 3600);
        Assert.InRange(day.Put, seconds + (seconds / 30), seconds + windows);
        Assert.Equal(0, day.Get);
        Assert.InRange(listed, 1, audits * (scene.Options.Levels.Count + 2));
        Assert.InRange(day.Delete, 1, Windows(seconds, 30));
        Assert.Equal(0, scene.Keeper.Statistics.Failures + scene.Keeper.Statistics.AuditFindings);
        await scene.AssertRestoresAsync(scene.Position);
        await scene.AssertRestoresAsync(scene.On(1)[scene.On(1).Count / 2].MaxTxid.Value);
    }

    /// <summary>Commits at a steady pace; the keeper gets its turns as the scheduler gives them: when it asks, and when they are due.</summary>
    private static async Task CommitAsync(LevelScene scene, Random random, TimeSpan pause, int commits)
    {
        bool asks = true;
        DateTimeOffset? due = null;
        scene.Keeper.Changed = () => asks = true;
        for (int i = 0; i < commits; i++)
        {
            scene.Commit(random);
            await scene.UploadAsync();
            DateTimeOffset end = scene.Clock.Now + pause;
            while (asks || due <= end)
            {
                scene.Clock.Now = !asks && due > scene.Clock.Now ? due.Value : scene.Clock.Now;
                asks = false;
                await scene.RunDueAsync();
                due = scene.Keeper.NextDue();
            }

            scene.Clock.Now = end;
        }
    }

    private static int Windows(int seconds, int interval) => (seconds + interval - 1) / interval;
}
