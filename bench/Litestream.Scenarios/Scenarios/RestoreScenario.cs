namespace Litestream.Scenarios;

/// <summary>Restore of a large database from a snapshot and 200 increments, in turns with a plain copy of the same bytes.</summary>
internal sealed class RestoreScenario : IScenario
{
    private const int Pairs = 3;

    public string Name => "restore";

    public string Summary => "snapshot + 200 increments, against cp + sync of the same bytes in turns (--size, default 1 GiB)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        string replica = await BenchData.ReplicaAsync(run);
        string output = Path.Combine(run.Folder, "restored.db");
        string copy = Path.Combine(run.Folder, "copy.db");
        var restores = new List<CommandCost>();
        var copies = new List<double>();

        // One unmeasured restore warms the page cache for the replica and makes the file that is copied afterwards.
        string original = Path.Combine(run.Folder, "original.db");
        await run.Probe.MeasureAsync(run.Executable, "restore", "-o", original, "file://" + replica);
        for (int pair = 0; pair < Pairs; pair++)
        {
            File.Delete(output);
            restores.Add(await run.Probe.MeasureAsync(run.Executable, "restore", "-o", output, "file://" + replica));
            File.Delete(copy);
            copies.Add((await run.Probe.MeasureAsync("sh", "-c", "cp \"$0\" \"$1\" && sync \"$1\"", original, copy)).WallMilliseconds);
        }

        double restore = Statistics.Median(restores.Select(cost => cost.WallMilliseconds));
        double plain = Statistics.Median(copies);
        return
        [
            Figure.Milliseconds("restore", restore),
            Figure.Milliseconds("cp+sync", plain),
            Figure.Ratio("ratio", restore / plain),
            Figure.Milliseconds("cpu", Statistics.Median(restores.Select(cost => cost.CpuMilliseconds))),
            Figure.Mebibytes("rss-peak", restores.Max(cost => cost.PeakBytes)),
            Figure.Mebibytes("database", new FileInfo(output).Length),
            Figure.Count("files", Directory.EnumerateFiles(replica, "*.ltx", SearchOption.AllDirectories).Count()),
        ];
    }
}
