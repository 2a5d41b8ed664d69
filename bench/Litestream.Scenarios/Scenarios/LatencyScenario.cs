using System.Diagnostics;

namespace Litestream.Scenarios;

/// <summary>One commit after two quiet seconds: from its return to the complete L0 file in the replica.</summary>
internal sealed class LatencyScenario : IScenario
{
    private const long Quiet = 2_100_000_000;

    public string Name => "latency";

    public string Summary => "commit's return -> L0 file complete, after 2 s of quiet (--samples, default 40)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        double sync = FileSyncMilliseconds(run.Folder);
        await run.CreateDatabaseAsync();
        await using Daemon daemon = await Daemon.StartAsync(run);
        await using ReplicaWatch watch = await ReplicaWatch.StartAsync(run);
        await Task.Delay(TimeSpan.FromSeconds(2));
        long[][] commits = await run.Probe.RunAsync("paced", run.Database, Probe.Text(run.Samples(40)), Probe.Text(Quiet), "5");
        await Task.Delay(TimeSpan.FromSeconds(2));

        // A file cannot be complete before its commit is visible; the commit's return comes a few microseconds after that.
        var milliseconds = new List<double>();
        foreach (long[] commit in commits)
        {
            long arrival = watch.Arrivals.Select(file => file.Time).FirstOrDefault(time => time > commit[1] - 20_000_000);
            milliseconds.Add(arrival == 0 ? double.PositiveInfinity : Math.Max(0, (arrival - commit[1]) / 1e6));
        }

        return
        [
            Figure.Milliseconds("p50", Statistics.Percentile(milliseconds, 50)),
            Figure.Milliseconds("p99", Statistics.Percentile(milliseconds, 99)),
            Figure.Milliseconds("max", milliseconds.Max()),
            Figure.Count("samples", milliseconds.Count),
            Figure.Milliseconds("file-sync", sync),
        ];
    }

    /// <summary>What the disk itself takes: the median of writing 4 KiB and syncing it.</summary>
    private static double FileSyncMilliseconds(string folder)
    {
        string path = Path.Combine(folder, "sync-probe");
        var times = new List<double>();
        using (FileStream file = File.Create(path, 1))
        {
            byte[] block = new byte[4096];
            for (int i = 0; i < 30; i++)
            {
                long start = Stopwatch.GetTimestamp();
                file.Write(block);
                file.Flush(flushToDisk: true);
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
        }

        File.Delete(path);
        return Statistics.Median(times);
    }
}
