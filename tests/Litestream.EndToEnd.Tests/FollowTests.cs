using System.Text.Json;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary><c>restore -f</c> as a user runs it.</summary>
public sealed class FollowTests : IDisposable
{
    private readonly Scene _scene = new(replicaSettings: ["sync-interval: 20ms"]);

    private string Output => _scene["follow.db"];

    public void Dispose() => _scene.Dispose();

    // An interval far away: only the notification of the directory can have brought the changes.
    [Theory]
    [InlineData(ChildProcess.Terminate)]
    [InlineData(ChildProcess.Interrupt)]
    public async Task Store_Fl_Follows_by_notification_and_a_signal_is_success(int signal)
    {
        await WriteAsync(10);
        await using DaemonProcess daemon = _scene.StartDaemon();
        await FileWait.UntilAsync(_scene.Replica, () => _scene.CountLevelZero() > 0, "the first L0 file");
        await using FollowerProcess follower = await FollowerProcess.StartAsync(Output, _scene.Replica, "-follow-interval", "1h", "-json");
        await WriteAsync(10);
        Assert.Equal(0, await daemon.StopAsync());
        await follower.WaitForLineAsync(line => IsEvent(line, out JsonElement applied)
            && applied.GetProperty("to_txid").GetString() == _scene.NewestTxid() && applied.GetProperty("lag_ms").GetInt64() >= 0);
        Assert.Equal(0, await follower.StopAsync(signal));
        Assert.Contains(follower.Lines, line => line.Contains("follow mode stopped", StringComparison.Ordinal));
        Assert.Contains("  \"txid\": \"\",", follower.Lines);
        await _scene.AssertFollowedAsync(Output);
        _scene.Succeeded();
    }

    // Upstream ends with success without following.
    [Fact]
    public async Task Store_F7_F8_An_existing_database_is_continued_and_force_says_that_it_does_nothing()
    {
        await WriteAsync(10);
        await _scene.ReplicateOnceAsync();
        await using (FollowerProcess first = await FollowerProcess.StartAsync(Output, _scene.Replica))
        {
            Assert.Equal(0, await first.StopAsync());
        }

        await WriteAsync(10);
        await _scene.ReplicateOnceAsync();
        await using FollowerProcess follower = await FollowerProcess.StartAsync(Output, _scene.Replica, "-if-db-not-exists", "-force");
        await follower.WaitForLineAsync(line => line.Contains("follow: applied updates", StringComparison.Ordinal));
        Assert.Equal(0, await follower.StopAsync());
        Assert.Contains(follower.Lines, line => line.Contains("-force has no effect with -f", StringComparison.Ordinal));
        await _scene.AssertFollowedAsync(Output);
        _scene.Succeeded();
    }

    [Fact]
    public async Task Store_F8_A_database_without_side_file_is_refused()
    {
        await WriteAsync(10);
        await _scene.ReplicateOnceAsync();
        await _scene.RestoreAsync();
        string restored = _scene["restored-1.db"];
        CliResult result = await Cli.RunAsync("restore", "-f", "-force", "-o", restored, "file://" + _scene.Replica);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("delete the database to re-restore", result.StandardError, StringComparison.Ordinal);
        Assert.True(File.Exists(restored));
        _scene.Succeeded();
    }

    // The shrink must not become durable before the pages that make it valid: pages, sync, end of the journal, and only then the cut.
    [Fact]
    public async Task Trap_A25_A_shrink_is_cut_after_everything_else_is_durable()
    {
        string trace = _scene["trace"];
        string[] tracer = ["strace", "-D", "-f", "-y", "-o", trace, "-e", "trace=pwrite64,fsync,fdatasync,ftruncate,unlink"];
        if ((await Cli.RunProgramAsync("strace", "-o", "/dev/null", "true")).ExitCode != 0)
        {
            Assert.Skip("needs strace with the right to trace");
        }

        await WriteAsync(300);
        await _scene.ReplicateOnceAsync();
        await using FollowerProcess follower = await FollowerProcess.StartUnderAsync(tracer, Output, _scene.Replica);
        await Cli.RunProgramAsync("sqlite3", _scene.Database, "DELETE FROM line; VACUUM;");
        await _scene.ReplicateOnceAsync();
        await follower.WaitForLineAsync(line => line.Contains("follow: applied updates", StringComparison.Ordinal));
        Assert.Equal(0, await follower.StopAsync());
        await FileWait.UntilAsync(
            _scene.Root, () => File.ReadLines(trace).Any(line => line.Contains("+++ exited with 0", StringComparison.Ordinal)), "the tracer has written everything");
        string[] calls = [.. File.ReadLines(trace).Where(line => line.Contains(Output, StringComparison.Ordinal) && !line.Contains(Output + "-txid", StringComparison.Ordinal) && !line.Contains(".tmp", StringComparison.Ordinal))];
        int cut = Array.FindIndex(calls, line => line.Contains("ftruncate", StringComparison.Ordinal) && line.Contains(Output + ">", StringComparison.Ordinal));
        int unlink = Array.FindLastIndex(calls, cut, line => line.Contains("unlink", StringComparison.Ordinal) && line.Contains("-journal", StringComparison.Ordinal));
        int sync = Array.FindLastIndex(calls, unlink, line => line.Contains("sync(", StringComparison.Ordinal) && line.Contains(Output + ">", StringComparison.Ordinal));
        int write = Array.FindLastIndex(calls, cut, line => line.Contains("pwrite64", StringComparison.Ordinal) && line.Contains(Output + ">", StringComparison.Ordinal));
        int journal = Array.FindLastIndex(calls, write, line => line.Contains("sync(", StringComparison.Ordinal) && line.Contains("-journal>", StringComparison.Ordinal));
        Assert.True(journal >= 0 && journal < write && write < sync && sync < unlink && unlink < cut, string.Join('\n', calls));
        await _scene.AssertFollowedAsync(Output);
        _scene.Succeeded();
    }

    private static bool IsEvent(string line, out JsonElement applied)
    {
        bool found = line.StartsWith("{\"event\":\"applied\"", StringComparison.Ordinal);
        applied = found ? JsonDocument.Parse(line).RootElement : default;
        return found;
    }

    private async Task WriteAsync(int commits)
    {
        CliResult result = await Cli.RunProgramAsync(Checkout.Workload, "steady", "--db", _scene.Database, "--commits",
            commits.ToString(System.Globalization.CultureInfo.InvariantCulture), "--ack-log", _scene.Acknowledged);
        Assert.True(result.ExitCode == 0, result.StandardError);
    }
}
