using System.Text.Json;
using Litestream.TestKit.Databases;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>Applications notice nothing: no lock in their way, no byte of ours in their database (replication §8.7).</summary>
[Collection(AloneCollection.Name)]
public class ApplicationTests
{
    private static readonly string[] Script = [.. Transactions()];

    // Without a busy timeout any lock of ours, however short, is an error in the application. Starts and stops of ours included.
    [Fact]
    public async Task Trap_C16_An_application_without_busy_timeout_is_never_busy()
    {
        using Scene scene = new(["min-checkpoint-page-count: 50", "monitor-interval: 100ms"], ["sync-interval: 100ms"]);
        await using WorkloadProcess application = await WorkloadProcess.StartAsync(
            "steady", "--db", scene.Database, "--rate", "200", "--seconds", "5", "--busy-timeout", "0", "--auto-checkpoint", "100",
            "--ack-log", scene.Acknowledged);
        for (int starts = 0; !application.HasExited && starts < 5; starts++)
        {
            await using DaemonProcess daemon = scene.StartDaemon();
            int files = scene.CountLevelZero();
            await FileWait.UntilAsync(scene.Replica, () => scene.CountLevelZero() > files + 2 || application.HasExited, "two more L0 files");
            Assert.Equal(0, await daemon.StopAsync());
        }

        Assert.Equal(0, await application.WaitForExitAsync());
        using JsonDocument figures = JsonDocument.Parse(application.Lines[^1]);
        Assert.Equal(0, figures.RootElement.GetProperty("busy").GetInt64());
        Assert.True(figures.RootElement.GetProperty("commits").GetInt64() > 100);
        await scene.ReplicateOnceAsync();
        await scene.AssertRestoresAsync("line");
        scene.Succeeded();
    }

    // Our read lock must not keep an administrator's checkpoint out for longer than its busy timeout, and must lose nothing by it.
    [Theory]
    [InlineData("FULL")]
    [InlineData("RESTART")]
    [InlineData("TRUNCATE")]
    public async Task Trap_B3_An_explicit_checkpoint_gets_through(string mode)
    {
        using Scene scene = new();
        await using DaemonProcess daemon = scene.StartDaemon();
        await using WorkloadProcess application = await WorkloadProcess.StartAsync(
            "steady", "--db", scene.Database, "--rate", "200", "--ack-log", scene.Acknowledged, "--progress");
        for (int i = 1; i <= 3; i++)
        {
            await application.WaitForCommitAsync(0, 50 * i);
            await application.PauseAsync();
            CliResult result = await Cli.RunProgramAsync("sqlite3", "-cmd", ".timeout 2000", scene.Database, $"PRAGMA wal_checkpoint({mode})");
            Assert.StartsWith("0|", result.StandardOutput, StringComparison.Ordinal);
            application.Resume();
        }

        await application.StopAsync();
        Assert.Equal(0, await daemon.StopAsync());
        await scene.AssertRestoresAsync("line");
        scene.Succeeded();
    }

    [Fact]
    public async Task The_database_is_the_same_with_us_and_without_us()
    {
        using Scene with = new(["min-checkpoint-page-count: 10", "monitor-interval: 50ms"], ["sync-interval: 20ms"]);
        await using (DaemonProcess daemon = with.StartDaemon())
        {
            await RunScriptAsync(with.Database);
            Assert.Equal(0, await daemon.StopAsync());
        }

        using Scene without = new();
        await RunScriptAsync(without.Database);
        Assert.Null(PageDigest.Of(without.Database).Difference(PageDigest.Of(with.Database)));
        foreach (string question in (string[])[".dump", "PRAGMA schema_version", "SELECT count(*) FROM sqlite_schema"])
        {
            CliResult ours = await Cli.RunProgramAsync("sqlite3", with.Database, question);
            CliResult theirs = await Cli.RunProgramAsync("sqlite3", without.Database, question);
            Assert.Equal(theirs.StandardOutput, ours.StandardOutput);
            Assert.NotEmpty(ours.StandardOutput);
        }

        Assert.DoesNotContain("_litestream", (await Cli.RunProgramAsync("sqlite3", with.Database, ".dump")).StandardOutput, StringComparison.Ordinal);
        await with.AssertRestoresAsync(ackTable: null);
        with.Succeeded();
        without.Succeeded();
    }

    private static async Task RunScriptAsync(string database)
    {
        CliResult result = await Cli.RunProgramAsync("sqlite3", ["-cmd", ".timeout 5000", database, .. Script]);
        Assert.Equal((0, ""), (result.ExitCode, result.StandardError));
    }

    private static IEnumerable<string> Transactions()
    {
        yield return "PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=30; CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE INDEX i ON t(v);";
        for (int n = 0; n < 300; n++)
        {
            yield return (n % 10) switch
            {
                7 => $"DELETE FROM t WHERE id % 17 = {n % 17};",
                8 => $"BEGIN; UPDATE t SET v = v || 'u{n}' WHERE id % 5 = {n % 5}; ROLLBACK;",
                9 => $"UPDATE t SET v = 'v{n}' WHERE id % 3 = {n % 3};",
                _ => $"INSERT INTO t(v) VALUES (printf('%0*d', {50 + (n % 7 * 300)}, {n}));",
            };
        }

        yield return "CREATE TABLE more(a); DROP INDEX i; VACUUM;";
    }
}
