namespace Litestream.Scenarios;

/// <summary>
/// Many databases that each commit once a second: how far each replica is behind, commit by commit, and what that costs. More
/// durable files a second than a disk can sync: put the files on tmpfs with --folder for the bar (decision D19).
/// </summary>
internal sealed class BusyFleetScenario : IScenario
{
    private const long Interval = 1_000_000_000;

    public string Name => "fleet-busy";

    public string Summary => "many databases, one commit a second each: lag, processor time, memory (--size databases, default 1000; --seconds, default 30)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        int count = run.Options.Databases(1000);
        int seconds = run.Seconds(30);
        FleetFolder fleet = await FleetFolder.CreateAsync(run.Folder, count, run.Probe);
        string databases = List(run, "databases.txt", count, i => Path.Combine(fleet.Databases, FleetFolder.Relative(i)));
        string replicas = List(run, "replicas.txt", count, i => LevelZero(fleet, i));
        await using Daemon daemon = await fleet.StartAsync(run.Executable);
        for (int i = 0; i < count; i++)
        {
            while (!Directory.Exists(LevelZero(fleet, i)))
            {
                await Task.Delay(50);
            }
        }

        await using FleetWatch watch = await FleetWatch.StartAsync(run.Probe, replicas);
        await Task.Delay(TimeSpan.FromSeconds(5));
        ProcessUsage before = daemon.Usage();
        long[][] commits = await run.Probe.RunAsync("fleet", databases, Probe.Text(seconds), Probe.Text(Interval));
        ProcessUsage after = daemon.Usage();
        await Task.Delay(TimeSpan.FromSeconds(3));
        double[] lags = Lags(fleet, commits, watch.Arrivals);
        return
        [
            Figure.Count("databases", count),
            Figure.Count("commits", commits.Length),
            Figure.Count("files", watch.Arrivals.Count),
            Figure.Milliseconds("lag-p50", Statistics.Percentile(lags, 50)),
            Figure.Milliseconds("lag-p99", Statistics.Percentile(lags, 99)),
            Figure.Milliseconds("lag-max", lags.Max()),
            Figure.Percent("cpu", ProcessUsage.CpuPercent(before, after, seconds + 1)),
            Figure.Mebibytes("rss", after.ResidentBytes),
            Figure.Mebibytes("peak", after.PeakBytes),
        ];
    }

    private static string LevelZero(FleetFolder fleet, int number) => Path.Combine(fleet.Replicas, FleetFolder.Relative(number), "ltx", "0");

    private static string List(ScenarioRun run, string name, int count, Func<int, string> line)
    {
        string path = Path.Combine(run.Folder, name);
        File.WriteAllLines(path, Enumerable.Range(0, count).Select(line));
        return path;
    }

    /// <summary>Milliseconds from each commit to the first file that carries it or a later one of the same database.</summary>
    private static double[] Lags(FleetFolder fleet, long[][] commits, IReadOnlyList<(long Time, int Database, string Name)> arrivals)
    {
        var reached = arrivals
            .Select(file => (file.Time, file.Database, Sequence: CommitMarks.Highest(Path.Combine(LevelZero(fleet, file.Database), file.Name))))
            .ToLookup(file => file.Database);
        return [.. commits.Select(commit =>
        {
            (long time, _, _) = reached[(int)commit[0]].FirstOrDefault(file => file.Sequence >= commit[1]);
            return time == 0 ? double.PositiveInfinity : Math.Max(0, (time - commit[2]) / 1e6);
        })];
    }
}
