using System.Diagnostics;

namespace Litestream.Scenarios;

/// <summary>
/// What a large database costs in the replica from the start until all levels have settled: bytes kept and bytes uploaded, in copies of
/// the encoded database (decision D4).
/// </summary>
internal sealed class SettleScenario : IScenario
{
    private const string Configuration =
        """
        levels: [{interval: 2s}, {interval: 5s}, {interval: 12s}]
        l0-retention: 5s
        l0-retention-check-interval: 1s
        dbs:
          - path: {DB}
            replica: {url: "{REPLICA}"}
        """;

    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    public string Name => "settle";

    public string Summary => "start beside a large database, a few commits, all levels settled: bytes stored and uploaded (--size, default 1 GiB)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        File.Copy(await BenchData.DatabaseAsync(run), run.Database);
        string configuration = Path.Combine(run.Folder, "litestream.yml");
        await File.WriteAllTextAsync(
            configuration,
            Configuration.Replace("{DB}", run.Database, StringComparison.Ordinal).Replace("{REPLICA}", run.ReplicaUrl, StringComparison.Ordinal));
        var uploaded = new Dictionary<string, long>();
        await using Daemon daemon = await Daemon.StartAsync(
            run.Executable, ["replicate", "-config", configuration], _ => Look(run, uploaded) > 0, TimeSpan.FromMinutes(2));
        long copy = uploaded.Values.Max();
        Task writing = run.Probe.RunAsync("touch", run.Database, "10", "40", "1050000000");
        long changed = Stopwatch.GetTimestamp();
        long started = changed;
        string before = "";
        while (Stopwatch.GetElapsedTime(changed) < Quiet && Stopwatch.GetElapsedTime(started) < Limit)
        {
            await Task.Delay(50);
            Look(run, uploaded);
            string now = string.Join(' ', Files(run).Order(StringComparer.Ordinal));
            if (now != before || !writing.IsCompleted)
            {
                changed = Stopwatch.GetTimestamp();
                before = now;
            }
        }

        await writing;
        long stored = Files(run).Sum(Folders.SizeOf);
        double peak = daemon.Usage().PeakBytes;
        await daemon.StopAsync();
        return
        [
            Figure.Mebibytes("copy", copy),
            Figure.Ratio("stored", stored / (double)copy),
            Figure.Ratio("uploaded", uploaded.Values.Sum() / (double)copy),
            Figure.Count("files", Files(run).Length),
            Figure.Mebibytes("rss-peak", (long)peak),
        ];
    }

    /// <summary>Remembers every file ever seen in the replica.</summary>
    private static int Look(ScenarioRun run, Dictionary<string, long> seen)
    {
        foreach (string path in Files(run))
        {
            seen[path] = Math.Max(seen.GetValueOrDefault(path), Folders.SizeOf(path));
        }

        return seen.Count;
    }

    private static string[] Files(ScenarioRun run) =>
        Directory.Exists(run.Replica) ? Directory.GetFiles(run.Replica, "*.ltx", SearchOption.AllDirectories) : [];
}
