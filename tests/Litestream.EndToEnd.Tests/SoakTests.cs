using System.Diagnostics;
using System.Globalization;
using Litestream.Sqlite;
using Litestream.TestKit.Databases;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>
/// The soak of replication §8.7: random writers, spilled and rolled-back transactions, VACUUM, killed writers and hostile checkpoints
/// against the daemon. After each run the image built from what was captured must equal the database page by page, and capture must
/// never have lost its thread. <c>SOAK_SECONDS=3600</c> for a long one (30 by default), <c>SOAK_SEED=n</c> for another course.
/// </summary>
public class SoakTests
{
    private const int SecondsPerRun = 3;

    private static readonly int Seconds = Setting("SOAK_SECONDS", 30);

    private static readonly int Seed = Setting("SOAK_SEED", 1);

    [Fact]
    public async Task Trap_C18_Capture_stays_exact_under_hostile_neighbours()
    {
        var random = new Random(Seed);
        var clock = Stopwatch.StartNew();
        for (int run = 0; clock.Elapsed.TotalSeconds < Seconds; run++)
        {
            try
            {
                await RunAsync(random);
            }
            catch (Exception failure)
            {
                throw new InvalidOperationException($"seed {Seed}, run {run}: {failure.Message}", failure);
            }
        }
    }

    private static async Task RunAsync(Random random)
    {
        using Scene scene = new(
            [$"min-checkpoint-page-count: {random.Next(1, 400)}", "monitor-interval: 200ms"],
            [$"sync-interval: {random.Next(5, 200)}ms"]);
        await using DaemonProcess daemon = scene.StartDaemon();
        var neighbours = new List<WorkloadProcess>();
        try
        {
            int[] rates = [50, 500, 0];
            for (int i = random.Next(1, 5); i > 0; i--)
            {
                bool steady = random.Next(3) == 0;
                neighbours.Add(await WorkloadProcess.StartAsync([.. Writer(scene, random, steady, i * 10), "--rate", Text(rates[random.Next(3)]), "--seconds", Text(SecondsPerRun)]));
            }

            if (random.Next(3) > 0)
            {
                neighbours.Add(await WorkloadProcess.StartAsync("hostile", "--db", scene.Database, "--seconds", Text(SecondsPerRun), "--seed", Text(random.Next())));
            }

            if (random.Next(2) == 0)
            {
                await KillWritersAsync(scene, random, neighbours[0]);
            }

            foreach (WorkloadProcess neighbour in neighbours)
            {
                Assert.True(await neighbour.WaitForExitAsync() == 0, neighbour.Output);
            }
        }
        finally
        {
            await Task.WhenAll(neighbours.Select(neighbour => neighbour.DisposeAsync().AsTask()));
        }

        Assert.True(await daemon.StopAsync() == 0, daemon.Output);
        Assert.DoesNotContain(daemon.Lines, line => line.Contains("taking a full copy", StringComparison.Ordinal));
        Assert.DoesNotContain(daemon.Lines, line => line.Contains("level=ERROR", StringComparison.Ordinal));
        await scene.AssertRestoresAsync(ackTable: null);
        string restored = await scene.RestoreAsync();
        Assert.Empty(DatabaseCheck.Run(restored, DatabaseCheckMode.Full, CancellationToken.None));
        int writers = 0;
        foreach (string table in (string[])["ack", "line"])
        {
            IReadOnlyDictionary<int, long> acknowledged = AckLog.Read(scene[table]);
            Assert.Null(AckLog.Missing(restored, acknowledged, table));
            writers += acknowledged.Count;
        }

        Assert.NotEqual(0, writers);

        scene.Succeeded();
    }

    // Writers die in the middle of everything while the first neighbour still runs: between frames and index, too (trap C12).
    private static async Task KillWritersAsync(Scene scene, Random random, WorkloadProcess first)
    {
        for (int writer = 100; !first.HasExited; writer += 10)
        {
            await using WorkloadProcess victim = await WorkloadProcess.StartAsync([.. Writer(scene, random, steady: false, writer), "--progress"]);
            await victim.WaitForLineAsync(line => line.StartsWith("ack ", StringComparison.Ordinal));
            int more = random.Next(20);
            for (int i = 0; i < more && !first.HasExited; i++)
            {
                await victim.WaitForLineAsync(line => line.StartsWith("ack ", StringComparison.Ordinal), victim.LineCount);
            }

            await victim.KillAsync();
        }
    }

    private static string[] Writer(Scene scene, Random random, bool steady, int writer) =>
    [
        steady ? "steady" : "random", "--db", scene.Database, "--ack-log", scene[steady ? "line" : "ack"],
        "--writer", Text(writer), "--seed", Text(random.Next()), "--auto-checkpoint", Text(random.Next(10, 1000)),
        "--page-size", Text(512 << random.Next(0, 5)), "--auto-vacuum", Text(random.Next(3)),
    ];

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static int Setting(string name, int fallback) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;
}
