namespace Litestream.Scenarios;

/// <summary>Four processes commit one-page transactions as fast as they can, without and with the daemon.</summary>
internal sealed class SlowdownScenario : IScenario
{
    private const int Writers = 4;

    public string Name => "slowdown";

    public string Summary => "4 writer processes flat out, without and with the daemon (--seconds each, default 10; use --turns)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        (double alone, double stallAlone) = await WriteAsync(run);
        File.Delete(run.Database);
        File.Delete(run.Database + "-wal");
        File.Delete(run.Database + "-shm");

        await run.CreateDatabaseAsync();
        await using Daemon daemon = await Daemon.StartAsync(run);
        await using ReplicaWatch watch = await ReplicaWatch.StartAsync(run);
        using var stop = new CancellationTokenSource();
        Task<long> largestWal = LargestAsync(run.Database + "-wal", stop.Token);
        (double with, double stallWith) = await WriteAsync(run, create: false);
        await stop.CancelAsync();

        return
        [
            Figure.Count("commits/s-alone", alone),
            Figure.Count("commits/s-with", with),
            new Figure("slower", 100 * (1 - (with / alone)), "0.0", "%"),
            Figure.Mebibytes("wal-max", await largestWal),
            Figure.Count("most-uploads-in-a-second", UploadRate.MostPerSecond(watch.Arrivals)),
            Figure.Milliseconds("longest-commit-alone", stallAlone),
            Figure.Milliseconds("longest-commit-with", stallWith),
            Figure.Mebibytes("rss-peak", daemon.Usage().PeakBytes),
        ];
    }

    private static async Task<(double CommitsPerSecond, double LongestMilliseconds)> WriteAsync(ScenarioRun run, bool create = true)
    {
        if (create)
        {
            await run.CreateDatabaseAsync();
        }

        int seconds = run.Seconds(10);
        long[][][] results = await Task.WhenAll(Enumerable.Range(1, Writers)
            .Select(seed => run.Probe.RunAsync("flat", run.Database, Probe.Text(seconds), Probe.Text(seed))));
        return ((double)results.Sum(result => result[0][0]) / seconds, results.Max(result => result[0][1]) / 1e6);
    }

    private static async Task<long> LargestAsync(string path, CancellationToken stop)
    {
        long largest = 0;
        while (!stop.IsCancellationRequested)
        {
            largest = Math.Max(largest, Folders.SizeOf(path));
            await Task.Delay(20, CancellationToken.None);
        }

        return largest;
    }
}
