using System.Globalization;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>
/// kill -9 at random moments, then restart, finish, restore: what was acknowledged must be there and every page must equal the source.
/// <c>KILL_CYCLES=2000</c> sets the number of cycles per test (100 by default, so 200 together), <c>KILL_SEED=n</c> another course.
/// </summary>
public class KillTests
{
    private const int CyclesPerScene = 20;

    private static readonly int Cycles = Setting("KILL_CYCLES", 100);

    private static readonly int Seed = Setting("KILL_SEED", 1);

    // The application lives through it all; while the daemon is dead its own auto-checkpoints restart the WAL (traps B1, B15, C8).
    [Fact]
    public async Task Trap_C8_Daemon_killed_at_random_moments_while_the_application_writes()
    {
        var random = new Random(Seed);
        for (int cycle = 0; cycle < Cycles;)
        {
            int sceneSeed = random.Next();
            using Scene scene = RandomScene(random);
            await using WorkloadProcess application = await StartApplicationAsync(scene, random, sceneSeed, rate: 150);
            for (int i = 0; i < CyclesPerScene && cycle < Cycles; i++, cycle++)
            {
                await using (DaemonProcess daemon = scene.StartDaemon())
                {
                    await WaitForCommitsAsync(application, random.Next(0, 40));
                    await daemon.KillAsync();
                }

                if (random.Next(3) == 0)
                {
                    await WaitForCommitsAsync(application, random.Next(1, 40));
                }

                await application.PauseAsync();
                await FinishAsync(scene, random);
                await Check(scene, $"seed {Seed}, cycle {cycle}, scene seed {sceneSeed}");
                application.Resume();
            }

            await application.StopAsync();
            scene.AssertApplicationCommitted();
            scene.Succeeded();
        }
    }

    // As in a power cut that keeps what was written: spilled and unpublished frames stay in the WAL (trap C12).
    [Fact]
    public async Task Trap_C12_Daemon_and_application_killed_together()
    {
        var random = new Random(Seed + 1);
        for (int cycle = 0; cycle < Cycles;)
        {
            using Scene scene = RandomScene(random);
            for (int i = 0; i < CyclesPerScene && cycle < Cycles; i++, cycle++)
            {
                int applicationSeed = random.Next();
                await using WorkloadProcess application = await StartApplicationAsync(scene, random, applicationSeed, rate: 0);
                await using DaemonProcess daemon = scene.StartDaemon();
                await WaitForCommitsAsync(application, random.Next(1, 150));
                ChildProcess[] victims = random.Next(2) == 0 ? [daemon, application] : [application, daemon];
                Array.ForEach(victims, victim => victim.Signal(ChildProcess.KillNow));
                await daemon.WaitForExitAsync();
                await application.WaitForExitAsync();
                await FinishAsync(scene, random);
                await Check(scene, $"seed {Seed}, cycle {cycle}, application seed {applicationSeed}");
            }

            scene.AssertApplicationCommitted();
            scene.Succeeded();
        }
    }

    // Either way of ending must have shipped everything: one sync of -once, or the final sync of an orderly stop.
    private static async Task FinishAsync(Scene scene, Random random)
    {
        if (random.Next(2) == 0)
        {
            await scene.ReplicateOnceAsync();
            return;
        }

        await using DaemonProcess daemon = scene.StartDaemon();
        await daemon.WaitForLineAsync(line => line.Contains("replicating to", StringComparison.Ordinal));
        int code = await daemon.StopAsync();
        Assert.True(code == 0, $"exit code {code} after SIGTERM{Environment.NewLine}{daemon.Output}");
    }

    private static async Task Check(Scene scene, string where)
    {
        try
        {
            await scene.AssertRestoresAsync();
        }
        catch (Exception failure)
        {
            throw new InvalidOperationException($"{where}: {failure.Message}", failure);
        }
    }

    private static async Task WaitForCommitsAsync(WorkloadProcess application, int count)
    {
        int seen = application.LineCount;
        for (int i = 0; i < count; i++)
        {
            await application.WaitForLineAsync(line => line.StartsWith("ack ", StringComparison.Ordinal), seen + i);
        }
    }

    private static Task<WorkloadProcess> StartApplicationAsync(Scene scene, Random random, int seed, int rate) => WorkloadProcess.StartAsync(
        "random", "--db", scene.Database, "--ack-log", scene.Acknowledged, "--progress",
        "--seed", Text(seed), "--connections", "2", "--rate", Text(rate),
        "--page-size", Text(512 << random.Next(0, 5)), "--auto-vacuum", Text(random.Next(3)),
        "--auto-checkpoint", Text(random.Next(2) == 0 ? 20 : 1000));

    private static Scene RandomScene(Random random) => new(
        [$"min-checkpoint-page-count: {random.Next(5, 400)}", "monitor-interval: 50ms"],
        [$"sync-interval: {random.Next(5, 100)}ms"]);

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static int Setting(string name, int fallback) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;
}
