namespace Litestream.Scenarios;

/// <summary>A new process that does nothing but say its version.</summary>
internal sealed class StartScenario : IScenario
{
    public string Name => "start";

    public string Summary => "litestream version in a new process, warm; size of the executable (--samples, default 30)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        await run.Probe.MeasureAsync(run.Executable, "version");
        var times = new List<double>();
        for (int i = 0; i < run.Samples(30); i++)
        {
            times.Add((await run.Probe.MeasureAsync(run.Executable, "version")).WallMilliseconds);
        }

        return
        [
            Figure.Milliseconds("p50", Statistics.Percentile(times, 50)),
            Figure.Milliseconds("max", times.Max()),
            new Figure("size", new FileInfo(run.Executable).Length / 1e6, "0.0", "MB"),
        ];
    }
}
