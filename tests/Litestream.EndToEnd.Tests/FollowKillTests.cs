using System.Globalization;
using System.Text.Json;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>
/// Follower and daemon are killed at random moments while other processes read: nobody ever sees a torn or an older state, and at
/// the end every page equals the source. <c>FOLLOW_KILL_CYCLES=n</c> sets the number of kills (200), <c>KILL_SEED=n</c> another course.
/// </summary>
public class FollowKillTests
{
    private const int CyclesPerScene = 50;

    private const int Readers = 2;

    private static readonly int Cycles = Setting("FOLLOW_KILL_CYCLES", 200);

    private static readonly int Seed = Setting("KILL_SEED", 1);

    [Fact]
    public async Task Store_Fc_F6_Killed_at_random_moments_while_others_read()
    {
        var random = new Random(Seed);
        for (int cycle = 0; cycle < Cycles; cycle += CyclesPerScene)
        {
            await RunSceneAsync(random, Math.Min(CyclesPerScene, Cycles - cycle));
        }
    }

    private static async Task RunSceneAsync(Random random, int cycles)
    {
        using Scene scene = new(["min-checkpoint-page-count: 50"], [$"sync-interval: {random.Next(5, 30)}ms"]);
        string output = scene["follow.db"];
        await using WorkloadProcess application = await WorkloadProcess.StartAsync(
            "pair", "--db", scene.Database, "--ack-log", scene.Acknowledged, "--progress", "--rate", "80", "--seed", Text(random.Next()),
            "--page-size", Text(512 << random.Next(0, 5)), "--auto-vacuum", Text(random.Next(3)));
        DaemonProcess daemon = scene.StartDaemon();
        await FileWait.UntilAsync(scene.Replica, () => scene.CountLevelZero() > 1, "the first L0 files");
        FollowerProcess follower = await FollowerProcess.StartAsync(output, scene.Replica, "-follow-interval", "50ms");
        WorkloadProcess[] readers = await Task.WhenAll(Enumerable.Range(0, Readers).Select(_ => WorkloadProcess.StartAsync("read", "--db", output)));
        for (int i = 0; i < cycles; i++)
        {
            await WaitForCommitsAsync(application, random.Next(1, 12));
            if (random.Next(4) == 0)
            {
                await daemon.DisposeAsync();
                daemon = scene.StartDaemon();
                continue;
            }

            await follower.DisposeAsync();
            if (i % 10 == 0)
            {
                await AssertSideFileIsNotAheadAsync(scene, output);
            }

            // Not awaited: the next kill may hit the start, too.
            follower = FollowerProcess.Start([], output, scene.Replica, "-follow-interval", "50ms");
        }

        await application.StopAsync();

        // A signal before replication has started is an error, rightly.
        await daemon.WaitForLineAsync(line => line.Contains("replicating to", StringComparison.Ordinal));
        int code = await daemon.StopAsync();
        Assert.True(code == 0, daemon.Output);
        await FileWait.UntilAsync(
            scene.Root, () => Follows(scene, output) || follower.HasExited, "the follower reaches the end of the replica");
        Assert.False(follower.HasExited, follower.Output);
        Assert.Equal(0, await follower.StopAsync());
        foreach (WorkloadProcess reader in readers)
        {
            JsonElement figures = JsonDocument.Parse(await reader.StopAsync()).RootElement;
            Assert.True(figures.GetProperty("torn").GetInt64() == 0 && figures.GetProperty("reads").GetInt64() > 0, reader.Output);
            TestContext.Current.TestOutputHelper?.WriteLine(figures + " " + string.Join(' ', reader.Lines.Where(line => line.StartsWith("error", StringComparison.Ordinal)).Distinct()));
            await reader.DisposeAsync();
        }

        await scene.AssertFollowedAsync(output);
        await scene.AssertRestoresAsync();
        await daemon.DisposeAsync();
        await follower.DisposeAsync();
        scene.Succeeded();
    }

    // What the side file names is in the database, however the follower ended.
    private static async Task AssertSideFileIsNotAheadAsync(Scene scene, string output)
    {
        string txid = (await File.ReadAllTextAsync(output + "-txid")).Trim();
        string then = await scene.RestoreAsync("-txid", txid);
        long expected = await NumberAsync(then);
        long actual = await NumberAsync(output);
        Assert.True(actual >= expected, $"the side file names transaction {txid} with number {expected}, the database holds {actual}");
        File.Delete(then);
    }

    private static async Task<long> NumberAsync(string database)
    {
        CliResult result = await Cli.RunProgramAsync("sqlite3", "-cmd", ".timeout 5000", database, "SELECT max(n) FROM pair_a;");
        Assert.True(result.ExitCode == 0, result.StandardError);
        return long.Parse(result.StandardOutput, CultureInfo.InvariantCulture);
    }

    private static bool Follows(Scene scene, string output) => File.ReadAllText(output + "-txid").Trim() == scene.NewestTxid();

    private static async Task WaitForCommitsAsync(WorkloadProcess application, int count)
    {
        int seen = application.LineCount;
        for (int i = 0; i < count; i++)
        {
            await application.WaitForLineAsync(line => line.StartsWith("ack ", StringComparison.Ordinal), seen + i);
        }
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static int Setting(string name, int fallback) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;
}
