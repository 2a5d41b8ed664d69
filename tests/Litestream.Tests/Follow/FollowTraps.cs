using Litestream.Follow;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;

namespace Litestream.Tests.Follow;

/// <summary>The traps of following a replica (store-and-restore §12, §15).</summary>
public sealed class FollowTraps : IDisposable
{
    private const string OneMore = "INSERT INTO t(v) VALUES(randomblob(3000))";

    private readonly FollowScene _scene = new();

    public void Dispose() => _scene.Dispose();

    [Fact]
    public async Task Follows_through_every_kind_of_change()
    {
        await using FollowerRun follower = _scene.Start();
        await _scene.Logs.WaitForAsync("entering follow mode");
        foreach (string sql in (string[])[OneMore, "CREATE INDEX i ON t(v)", "UPDATE t SET v = 1", "DROP INDEX i", "DELETE FROM t", OneMore + ";" + OneMore])
        {
            await follower.ReachAsync(_scene.Commit(sql));
        }

        await follower.StopAsync();
        _scene.AssertState(_scene.Last);
        Assert.True(_scene.Logs.Contains("follow mode stopped"));
        Assert.All(follower.Applied, applied => Assert.InRange(applied.Lag, TimeSpan.Zero, TimeSpan.FromMinutes(2)));
        Assert.True(_scene.Logs.Contains("lag_ms="));
    }

    // Overlap: what is in the database already is applied once more, as a whole.
    [Fact]
    public async Task Store_Fa_A_gap_is_bridged_by_an_overlapping_file()
    {
        await FollowToAsync(5);
        CommitTo(8);
        _scene.RemoveLevelZero(1, 7);
        _scene.Put(1, 3, 7);
        await FollowToAsync(8);
    }

    [Fact]
    public async Task Store_Fb_Level_zero_is_empty()
    {
        await FollowToAsync(10);
        CommitTo(12);
        _scene.RemoveLevelZero(1, 12);
        _scene.Put(1, 11, 12);
        await FollowToAsync(12);
    }

    [Fact]
    public async Task Store_Fd_A_saved_transaction_after_the_newest_snapshot_resumes()
    {
        _scene.Put(9, 1, 1);
        await FollowToAsync(5);
        await using FollowerRun follower = _scene.Start();
        await follower.ReachAsync(_scene.Commit(OneMore));
        await follower.StopAsync();
        _scene.AssertState(6);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Store_Fe_F5_A_gap_that_only_a_snapshot_covers_is_reported_and_bridged_by_it(bool running)
    {
        await FollowToAsync(3);
        await using FollowerRun? follower = running ? _scene.Start() : null;
        if (running)
        {
            await follower!.ReachAsync(_scene.Commit(OneMore));
        }

        ulong from = _scene.Last;
        for (int i = 0; i < 4; i++)
        {
            _scene.Commit(i == 1 ? "DELETE FROM t" : OneMore, store: false);
        }

        _scene.Put(9, 1, from + 3);
        _scene.Put(0, from + 4, from + 4);
        await using FollowerRun now = follower ?? _scene.Start();
        await now.ReachAsync(from + 4);
        await now.StopAsync();
        Assert.True(_scene.Logs.Contains("gap in the replica, going on from its snapshot"));
        _scene.AssertState(from + 4);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Store_F5_A_gap_that_nothing_covers_ends_with_an_error(bool running)
    {
        await FollowToAsync(3);
        await using FollowerRun? follower = running ? _scene.Start() : null;
        if (running)
        {
            await follower!.ReachAsync(_scene.Commit(OneMore));
        }

        ulong reached = _scene.Last;
        _scene.Commit(OneMore, store: false);
        _scene.Commit(OneMore);
        await using FollowerRun now = follower ?? _scene.Start();
        FollowException end = await now.FailAsync();
        Assert.Contains($"the database is at transaction {new Txid(reached)}, the next file of the replica begins at {new Txid(reached + 2)}", end.Message, StringComparison.Ordinal);
        _scene.AssertState(reached);
    }

    // A reader that opened the file in WAL mode would hold a lock on it for as long as its connection lives.
    [Fact]
    public async Task Store_Ff_F1_An_idle_reader_from_the_first_moment_on_does_not_stop_the_follower()
    {
        await FollowToAsync(2);
        using SqliteShell reader = _scene.Reader();
        Assert.Equal(["delete", "0"], reader.Run("PRAGMA journal_mode; SELECT count(*) FROM u;"));
        await using FollowerRun follower = _scene.Start();
        await follower.ReachAsync(_scene.Commit("INSERT INTO u VALUES(1, 1)"));
        Assert.Equal(["1"], reader.Run("SELECT count(*) FROM u;"));
    }

    [Fact]
    public async Task Store_F1_A_reader_inside_a_transaction_is_waited_for_and_named()
    {
        await FollowToAsync(2);
        using SqliteShell reader = _scene.Reader();
        Assert.Equal(["1"], reader.Run("BEGIN; SELECT count(*) FROM t;"));
        await using FollowerRun follower = _scene.Start();
        _scene.Commit(OneMore);
        await _scene.Logs.WaitForAsync("readers hold the database");
        Assert.Equal(["1"], reader.Run("SELECT count(*) FROM t;"));
        Assert.Empty(follower.Applied);
        reader.Run("COMMIT;");
        await follower.ReachAsync(_scene.Last);
        Assert.Equal(["2"], reader.Run("SELECT count(*) FROM t;"));
    }

    [Fact]
    public async Task Store_Fg_F2_A_warm_cache_sees_a_change_without_page_1()
    {
        _scene.Commit("INSERT INTO u VALUES(1, 'old')");
        await using FollowerRun follower = _scene.Start();
        await _scene.Logs.WaitForAsync("entering follow mode");
        await follower.ReachAsync(_scene.Commit(OneMore));
        using SqliteShell reader = _scene.Reader();
        Assert.Equal(["old"], reader.Run("SELECT v FROM u;"));
        ulong update = _scene.Commit("UPDATE u SET v = 'new'");
        Assert.False(_scene.HasFirstPage(update), "the update was meant to leave page 1 alone");
        await follower.ReachAsync(update);
        Assert.Equal(["new"], reader.Run("SELECT v FROM u;"));
    }

    [Fact]
    public async Task Store_Fh_F3_A_damaged_file_changes_nothing_and_is_tried_again()
    {
        await FollowToAsync(3);
        await using FollowerRun follower = _scene.Start();
        byte[] good = _scene.File(3, 3);
        ulong bad = _scene.Commit(OneMore, store: false);
        good = _scene.File(bad, bad);
        byte[] damaged = [.. good];
        damaged[^1] ^= 1;
        _scene.Replica.Put(0, new Txid(bad), new Txid(bad), damaged, DateTimeOffset.UtcNow);
        await _scene.Logs.WaitForAsync("consecutive_errors=3");
        Assert.Empty(follower.Applied);
        using (SqliteShell reader = _scene.Reader())
        {
            Assert.Equal(["2"], reader.Run("SELECT count(*) FROM t;"));
        }

        _scene.Replica.Put(0, new Txid(bad), new Txid(bad), good, DateTimeOffset.UtcNow);
        await follower.ReachAsync(bad);
        await follower.StopAsync();
        Assert.True(_scene.Logs.Contains("follow: working again"));
        _scene.AssertState(bad);
    }

    [Fact]
    public async Task Store_F3_A_damaged_file_is_left_out_where_others_hold_the_same()
    {
        await FollowToAsync(3);
        CommitTo(6);
        _scene.Put(1, 2, 5);
        _scene.Replica.Content(0, new Txid(5), new Txid(5))[150] ^= 1;
        await FollowToAsync(6);
    }

    // Upstream forgot what it had applied and went back: readers saw older pages again.
    [Fact]
    public async Task Store_Fi_F4_An_error_on_the_third_of_five_files_never_goes_back()
    {
        await FollowToAsync(2);
        using SqliteShell reader = _scene.Reader();
        for (int i = 3; i <= 7; i++)
        {
            _scene.Commit($"UPDATE t SET v = {i}; INSERT INTO u VALUES({i}, 0)", store: false);
        }

        byte[] third = _scene.File(5, 5);
        byte[] damaged = [.. third];
        damaged[^20] ^= 1;
        for (ulong txid = 3; txid <= 7; txid++)
        {
            _scene.Replica.Put(0, new Txid(txid), new Txid(txid), txid == 5 ? damaged : _scene.File(txid, txid), DateTimeOffset.UtcNow);
        }

        await using FollowerRun follower = _scene.Start();
        await follower.ReachAsync(4);
        await _scene.Logs.WaitForAsync("consecutive_errors=2");
        Assert.Equal(["4"], reader.Run("SELECT max(v) FROM t;"));
        Assert.Equal(new Txid(4) + "\n", File.ReadAllText(_scene.SideFile));
        _scene.Replica.Put(0, new Txid(5), new Txid(5), third, DateTimeOffset.UtcNow);
        await follower.ReachAsync(7);
        Assert.Equal(["7"], reader.Run("SELECT max(v) FROM t;"));
        Assert.True(follower.Applied.Zip(follower.Applied.Skip(1)).All(pair => pair.First.To == pair.Second.From));
        await follower.StopAsync();
        _scene.AssertState(7);
    }

    [Fact]
    public async Task Store_Fj_A_vacuum_shrinks_the_database()
    {
        for (int i = 0; i < 30; i++)
        {
            _scene.Commit(OneMore);
        }

        await FollowToAsync(_scene.Last);
        long before = new FileInfo(_scene.Output).Length;
        _scene.Commit("DELETE FROM t; VACUUM");
        await FollowToAsync(_scene.Last);
        Assert.True(new FileInfo(_scene.Output).Length < before / 4);
    }

    [Fact]
    public async Task Store_Fk_A_listing_error_is_an_error()
    {
        await FollowToAsync(2);
        await using FollowerRun follower = _scene.Start();
        await follower.ReachAsync(_scene.Commit(OneMore));
        _scene.Client.Fail(ReplicaOperation.List, count: 2);
        await _scene.Logs.WaitForAsync("consecutive_errors=2");
        await follower.ReachAsync(_scene.Commit(OneMore));
        await _scene.Logs.WaitForAsync("follow: working again");
    }

    [Theory]
    [InlineData(512)]
    [InlineData(65536)]
    public async Task Store_Fm_Smallest_and_greatest_page(int pageSize)
    {
        using var scene = new FollowScene(pageSize);
        scene.Commit(OneMore);
        await using FollowerRun follower = scene.Start();
        await scene.Logs.WaitForAsync("entering follow mode");
        await follower.ReachAsync(scene.Commit(OneMore + "; CREATE INDEX i ON t(v)"));
        await follower.ReachAsync(scene.Commit("DELETE FROM t; VACUUM"));
        await follower.StopAsync();
        scene.AssertState(scene.Last);
    }

    [Fact]
    public async Task Store_F9_A_replica_that_ends_before_the_database_is_an_error()
    {
        CommitTo(5);
        await FollowToAsync(5);
        _scene.RemoveLevelZero(4, 5);
        await using FollowerRun follower = _scene.Start();
        FollowException end = await follower.FailAsync();
        Assert.Contains("the replica ends at " + new Txid(3), end.Message, StringComparison.Ordinal);
        _scene.AssertState(5);
    }

    // The side file is moved after the commit, durably: temp, sync, rename, sync of the directory.
    [Fact]
    public async Task Store_Fc_The_side_file_is_replaced_durably()
    {
        await FollowToAsync(2);
        var recorded = new RecordingFileSystem(LocalFileSystem.Instance);
        _scene.Files = recorded;
        await using FollowerRun follower = _scene.Start();
        await follower.ReachAsync(_scene.Commit(OneMore));
        await follower.StopAsync();
        Assert.Equal(
            [FileOperation.Create, FileOperation.Write, FileOperation.Sync, FileOperation.Rename, FileOperation.SyncDirectory],
            recorded.Changes.Select(change => change.Operation));
    }

    // A full disk, say: the database went on, the side file did not. The next start applies the same file again.
    [Fact]
    public async Task Store_Fc_A_side_file_that_lags_behind_is_harmless()
    {
        await FollowToAsync(3);
        byte[] old = File.ReadAllBytes(_scene.SideFile);
        CommitTo(6);
        await FollowToAsync(6);
        File.WriteAllBytes(_scene.SideFile, old);
        _scene.RemoveLevelZero(1, 5);
        _scene.Put(1, 1, 5);
        await FollowToAsync(6);
    }

    private void CommitTo(ulong txid)
    {
        while (_scene.Last < txid)
        {
            _scene.Commit(OneMore);
        }
    }

    private async Task FollowToAsync(ulong txid)
    {
        CommitTo(txid);
        bool known = File.Exists(_scene.SideFile) && File.ReadAllText(_scene.SideFile) == new Txid(txid) + "\n";
        bool first = !File.Exists(_scene.Output);
        await using FollowerRun follower = _scene.Start();
        if (first || known)
        {
            await _scene.Logs.WaitForAsync("entering follow mode");
        }
        else
        {
            await follower.ReachAsync(txid);
        }

        await follower.StopAsync();
        _scene.AssertState(txid);
    }
}
