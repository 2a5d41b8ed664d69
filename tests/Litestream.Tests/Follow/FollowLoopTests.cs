using Litestream.Follow;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Follow;

/// <summary>When a follower looks, what that costs, and what it refuses to start with.</summary>
public sealed class FollowLoopTests : IDisposable
{
    private const string OneMore = "INSERT INTO t(v) VALUES(randomblob(3000))";

    private readonly FollowScene _scene = new();

    public void Dispose() => _scene.Dispose();

    [Fact]
    public async Task Store_Fl_The_interval_is_kept_and_costs_one_listing()
    {
        var time = new FakeTimeProvider();
        await using FollowerRun follower = _scene.Start(time, TimeSpan.FromSeconds(7));
        await _scene.Logs.WaitForAsync("entering follow mode");

        // The loop sets its timer some time after that line, and the fake clock may be ahead by then: two intervals, not one.
        await time.AdvanceUntilAsync(() => _scene.Client.Count(ReplicaOperation.List) == 21, TimeSpan.FromSeconds(14), "the first interval", TimeSpan.FromMilliseconds(50));
        int listings = _scene.Client.Count(ReplicaOperation.List);
        ulong next = _scene.Commit(OneMore);
        await time.AdvanceUntilAsync(() => follower.Applied.Count == 1, TimeSpan.FromSeconds(14), "the change is seen with the next look", TimeSpan.FromMilliseconds(50));
        Assert.Equal(next, follower.Applied[0].To.Value);
        Assert.InRange(_scene.Client.Count(ReplicaOperation.List) - listings, 1, 2);
        await follower.StopAsync();
        _scene.AssertState(next);
    }

    [Fact]
    public async Task Store_Fl_F9_An_idle_follower_notices_within_minutes_that_its_replica_was_reset()
    {
        var time = new FakeTimeProvider();
        for (int i = 0; i < 4; i++)
        {
            _scene.Commit(OneMore);
        }

        await using FollowerRun follower = _scene.Start(time, TimeSpan.FromSeconds(1));
        await _scene.Logs.WaitForAsync("entering follow mode");
        await time.AdvanceUntilAsync(() => _scene.Client.Count(ReplicaOperation.List) > 21, TimeSpan.FromSeconds(3), "it follows", TimeSpan.FromMilliseconds(50));
        _scene.RemoveLevelZero(2, 5);
        await time.AdvanceUntilAsync(() => follower.Task.IsCompleted, TimeSpan.FromMinutes(3), "it ends", TimeSpan.FromMilliseconds(500));
        FollowException end = await follower.FailAsync();
        Assert.Contains("it was reset or is another one", end.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_local_directory_is_watched_instead_of_asked()
    {
        var local = new FileReplicaClient(LocalFileSystem.Instance, _scene["replica"]);
        await CopyAsync(local, 1);
        await using FollowerRun follower = _scene.Start(interval: TimeSpan.FromHours(1), client: local);
        await _scene.Logs.WaitForAsync("entering follow mode");
        for (int i = 0; i < 20; i++)
        {
            ulong txid = _scene.Commit(OneMore);
            await CopyAsync(local, txid);
            await follower.ReachAsync(txid);
        }

        await follower.StopAsync();
        _scene.AssertState(_scene.Last);
    }

    // Many small files that wait are one transaction; readers see a state that was one.
    [Fact]
    public async Task Waiting_files_are_applied_together()
    {
        await using (FollowerRun first = _scene.Start())
        {
            await _scene.Logs.WaitForAsync("entering follow mode");
            await first.StopAsync();
        }

        for (int i = 0; i < 150; i++)
        {
            _scene.Commit(i % 10 == 9 ? "DELETE FROM t; VACUUM" : OneMore);
        }

        await using FollowerRun follower = _scene.Start();
        await follower.ReachAsync(_scene.Last);
        await follower.StopAsync();
        Assert.InRange(follower.Applied.Count, 3, 6);
        _scene.AssertState(_scene.Last);
    }

    [Fact]
    public async Task A_large_file_is_spooled_and_applied_alone()
    {
        await using (FollowerRun first = _scene.Start())
        {
            await _scene.Logs.WaitForAsync("entering follow mode");
            await first.StopAsync();
        }

        using SqliteShell reader = _scene.Reader();
        Assert.Equal(["0"], reader.Run("SELECT count(*) FROM t;"));
        ulong large = _scene.Commit("INSERT INTO t(v) VALUES(randomblob(12000000)), (randomblob(12000000))");
        Assert.True(_scene.Replica.Content(0, new Txid(large), new Txid(large)).Length > IncomingFile.MemoryLimit);
        await using FollowerRun follower = _scene.Start();
        await follower.ReachAsync(large);
        Assert.Equal(["2|24000000"], reader.Run("SELECT count(*), sum(length(v)) FROM t;"));
        await follower.StopAsync();
        _scene.AssertState(large);
    }

    [Fact]
    public async Task Growth_without_its_pages_is_damage()
    {
        await using FollowerRun follower = _scene.Start();
        await _scene.Logs.WaitForAsync("entering follow mode");
        uint pages = (uint)(new FileInfo(_scene.Output).Length / 4096);
        _scene.Replica.Put(0, new Txid(2), new Txid(2), LtxBuilder.File(2, 2, pages + 3, [2, pages + 1, pages + 3], 4096), DateTimeOffset.UtcNow);
        await _scene.Logs.WaitForAsync("the database grew from");
        await follower.StopAsync();
        _scene.AssertState(1);
    }

    [Fact]
    public async Task A_writer_on_the_follower_is_an_error()
    {
        await using FollowerRun follower = _scene.Start();
        await _scene.Logs.WaitForAsync("entering follow mode");
        await follower.ReachAsync(_scene.Commit(OneMore));
        using (SqliteShell writer = _scene.Reader())
        {
            writer.Run("DELETE FROM t;");
        }

        _scene.Commit(OneMore);
        Assert.Contains("must be opened read-only", (await follower.FailAsync()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_replaced_database_is_an_error()
    {
        await using FollowerRun follower = _scene.Start();
        await _scene.Logs.WaitForAsync("entering follow mode");
        await follower.ReachAsync(_scene.Commit(OneMore));
        File.Delete(_scene.Output);
        _scene.Commit(OneMore);
        Assert.Contains("replaced or deleted", (await follower.FailAsync()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "no -txid file found; delete the database to re-restore")]
    [InlineData("", "does not hold a transaction")]
    [InlineData("0000000000000000\n", "does not hold a transaction")]
    [InlineData("000000000000001\n", "does not hold a transaction")]
    public async Task Resuming_needs_a_side_file(string? content, string message)
    {
        File.WriteAllBytes(_scene.Output, new byte[512]);
        if (content is not null)
        {
            File.WriteAllText(_scene.SideFile, content);
        }

        await using FollowerRun follower = _scene.Start();
        Exception refused = await Assert.ThrowsAnyAsync<Exception>(() => follower.Task);
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        Assert.Equal(512, new FileInfo(_scene.Output).Length);
    }

    [Fact]
    public async Task A_stale_side_file_without_database_is_replaced()
    {
        File.WriteAllText(_scene.SideFile, "00000000000000ff\n");
        await using FollowerRun follower = _scene.Start();
        await _scene.Logs.WaitForAsync("entering follow mode");
        await follower.StopAsync();
        _scene.AssertState(1);
    }

    [Fact]
    public async Task An_empty_replica_has_nothing_to_follow()
    {
        await using FollowerRun follower = _scene.Start(client: new MemoryReplicaClient());
        RestoreUnavailableException none = await Assert.ThrowsAsync<RestoreUnavailableException>(() => follower.Task);
        Assert.Equal(RestoreUnavailableReason.EmptyReplica, none.Reason);
        Assert.False(File.Exists(_scene.SideFile));
    }

    private async Task CopyAsync(FileReplicaClient target, ulong txid)
    {
        using var file = new MemoryStream(_scene.File(txid, txid));
        await target.WriteAsync(0, new Txid(txid), new Txid(txid), file, WriteMode.CreateOnly, default);
    }
}
