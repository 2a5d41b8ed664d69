using System.Diagnostics;

namespace Litestream.Scenarios;

/// <summary>What many idle databases cost in one process, and how long a restart takes until each is under replication again (decision D20).</summary>
internal sealed class FleetScenario : IScenario
{
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(20);

    public string Name => "fleet";

    public string Summary => "many idle databases: restart, processor time, memory, descriptors (--size databases, default 10000; --seconds, default 60)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        int count = run.Options.Databases(10_000);
        int seconds = run.Seconds(60);
        (FleetFolder fleet, double firstStart) = await PrepareAsync(run, count);
        long start = Stopwatch.GetTimestamp();
        await using Daemon daemon = await fleet.StartAsync(run.Executable);
        double restart = Stopwatch.GetElapsedTime(start).TotalSeconds;
        ProcessUsage started = daemon.Usage();
        await Task.Delay(Settle);

        ProcessUsage before = daemon.Usage();
        await Task.Delay(TimeSpan.FromSeconds(seconds));
        ProcessUsage after = daemon.Usage();
        int descriptors = daemon.Descriptors;
        long stop = Stopwatch.GetTimestamp();
        await daemon.StopAsync();
        return
        [
            Figure.Count("databases", count),
            Figure.Seconds("first-start", firstStart),
            Figure.Seconds("restart", restart),
            Figure.Seconds("restart-cpu", started.CpuTicksSeconds),
            Figure.Percent("cpu", ProcessUsage.CpuPercent(before, after, seconds)),
            Figure.Mebibytes("rss", after.ResidentBytes),
            Figure.Mebibytes("peak", after.PeakBytes),
            new Figure("rss-per-database", (double)after.ResidentBytes / count / 1024, "0.0", "KiB"),
            Figure.Count("descriptors", descriptors),
            Figure.Count("write-calls", after.WriteCalls - before.WriteCalls),
            Figure.Seconds("stop", Stopwatch.GetElapsedTime(stop).TotalSeconds),
        ];
    }

    /// <summary>Databases and their state are made once and kept: only a restart is measured.</summary>
    private static async Task<(FleetFolder Fleet, double FirstStart)> PrepareAsync(ScenarioRun run, int count)
    {
        string kept = Path.Combine(Folders.Data, $"fleet-{count}");
        if (Directory.Exists(kept))
        {
            return (FleetFolder.At(kept), 0);
        }

        string building = kept + ".building";
        if (Directory.Exists(building))
        {
            Directory.Delete(building, recursive: true);
        }

        FleetFolder fleet = await FleetFolder.CreateAsync(building, count, run.Probe);
        long start = Stopwatch.GetTimestamp();
        await using (Daemon daemon = await fleet.StartAsync(run.Executable))
        {
            await daemon.StopAsync();
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Directory.Move(building, kept);
        return (FleetFolder.At(kept), seconds);
    }
}
