namespace Litestream.Scenarios;

/// <summary>The daemon's cost beside a writer of 500 small commits per second.</summary>
internal sealed class SteadyScenario : IScenario
{
    private const int PerSecond = 500;

    public string Name => "steady";

    public string Summary => "500 small commits/s: the daemon's processor time and memory (--seconds, default 60)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        int seconds = run.Seconds(60);
        await run.CreateDatabaseAsync();
        await using Daemon daemon = await Daemon.StartAsync(run);
        await using ReplicaWatch watch = await ReplicaWatch.StartAsync(run);
        await Task.Delay(TimeSpan.FromSeconds(2));
        ProcessUsage before = daemon.Usage();
        await run.Probe.RunAsync("paced", run.Database, Probe.Text(PerSecond * seconds), Probe.Text(1_000_000_000 / PerSecond), "9");
        ProcessUsage after = daemon.Usage();
        return
        [
            Figure.Percent("cpu", ProcessUsage.CpuPercent(before, after, seconds)),
            Figure.Mebibytes("rss", after.ResidentBytes),
            Figure.Mebibytes("rss-peak", after.PeakBytes),
            Figure.Mebibytes("written", after.WrittenBytes - before.WrittenBytes),
            Figure.Count("uploads", watch.Arrivals.Count),
            Figure.Count("most-uploads-in-a-second", UploadRate.MostPerSecond(watch.Arrivals)),
        ];
    }
}
