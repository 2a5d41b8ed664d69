namespace Litestream.Scenarios;

/// <summary>What the daemon costs when nobody writes.</summary>
internal sealed class IdleScenario : IScenario
{
    public string Name => "idle";

    public string Summary => "one idle database: processor time, memory, writes, files touched (--seconds, default 60)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        int seconds = run.Seconds(60);
        await run.CreateDatabaseAsync();
        await using Daemon daemon = await Daemon.StartAsync(run);
        await run.Probe.RunAsync("paced", run.Database, "20", "10000000", "10");
        await Task.Delay(TimeSpan.FromSeconds(5));

        Dictionary<string, DateTime> filesBefore = FileTimes(run.Folder);
        ProcessUsage before = daemon.Usage();
        await Task.Delay(TimeSpan.FromSeconds(seconds));
        ProcessUsage after = daemon.Usage();
        Dictionary<string, DateTime> filesAfter = FileTimes(run.Folder);

        int touched = filesAfter.Count(file => !filesBefore.TryGetValue(file.Key, out DateTime time) || time != file.Value)
            + filesBefore.Keys.Count(file => !filesAfter.ContainsKey(file));
        return
        [
            Figure.Percent("cpu", ProcessUsage.CpuPercent(before, after, seconds)),
            Figure.Mebibytes("rss", after.ResidentBytes),
            Figure.Count("write-calls", after.WriteCalls - before.WriteCalls),
            Figure.Count("written-bytes", after.WrittenBytes - before.WrittenBytes),
            Figure.Count("files-touched", touched),
        ];
    }

    private static Dictionary<string, DateTime> FileTimes(string folder) =>
        Directory.EnumerateFileSystemEntries(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
            .ToDictionary(path => path, File.GetLastWriteTimeUtc);
}
