namespace Litestream.Scenarios;

/// <summary>Steady commits: how far the replica is behind at worst, exactly, by reading what each file carries.</summary>
internal sealed class LagScenario : IScenario
{
    private const int PerSecond = 20;

    public string Name => "lag";

    public string Summary => "time behind under a steady 20 commits/s (--seconds, default 30)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        await run.CreateDatabaseAsync();
        await using Daemon daemon = await Daemon.StartAsync(run);
        await using ReplicaWatch watch = await ReplicaWatch.StartAsync(run);
        await Task.Delay(TimeSpan.FromSeconds(2));
        int count = PerSecond * run.Seconds(30);
        long[][] commits = await run.Probe.RunAsync("paced", run.Database, Probe.Text(count), Probe.Text(1_000_000_000 / PerSecond), "6");
        await Task.Delay(TimeSpan.FromSeconds(3));

        var files = watch.Arrivals.Select(file => (file.Time, Reaches: CommitMarks.Highest(Path.Combine(run.LevelZero, file.Name)))).ToList();
        var behind = new List<double>();
        foreach (long[] commit in commits)
        {
            (long time, _) = files.FirstOrDefault(file => file.Reaches >= commit[0]);
            behind.Add(time == 0 ? double.PositiveInfinity : Math.Max(0, (time - commit[1]) / 1e6));
        }

        return
        [
            Figure.Milliseconds("max-behind", behind.Max()),
            Figure.Milliseconds("p50-behind", Statistics.Percentile(behind, 50)),
            Figure.Count("commits", commits.Length),
            Figure.Count("uploads", files.Count),
            Figure.Count("most-uploads-in-a-second", UploadRate.MostPerSecond(watch.Arrivals)),
        ];
    }
}
