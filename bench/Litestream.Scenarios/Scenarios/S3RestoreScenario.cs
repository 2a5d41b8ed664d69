namespace Litestream.Scenarios;

/// <summary>
/// Restore over the network, in turns with a plain ranged download of the same objects through the same proxy, which writes and syncs as
/// many bytes as the database has (<c>ratio</c>), or only those that came (<c>ratio-undecoded</c>).
/// </summary>
internal sealed class S3RestoreScenario : IScenario
{
    private const int Pairs = 3;
    private const int Connections = 8;
    private const double NarrowBytesPerSecond = 50e6;

    public string Name => "s3restore";

    public string Summary => "snapshot + 200 increments from S3, 20 ms away, against an 8-way download of the same bytes in turns (--size, default 1 GiB)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        string replica = await BenchData.ReplicaAsync(run);
        await using S3Store store = await S3Store.StartAsync();
        IReadOnlyList<(string Key, long Size)> objects = await store.UploadAsync(replica, "app");
        var restores = new List<CommandCost>();
        var downloads = new List<double>();
        var smaller = new List<double>();
        long bytes = objects.Sum(file => file.Size);
        double stretch = new FileInfo(await BenchData.DatabaseAsync(run)).Length / (double)bytes;
        WireCounts counts = default;
        await using (WireProxy proxy = await WireProxy.StartAsync(run.Probe, store.Port))
        {
            var transfer = new S3Transfer(run.Probe, proxy.Port, run.Folder);
            for (int pair = 0; pair < Pairs; pair++)
            {
                downloads.Add((await transfer.DownloadAsync(objects, Output(run, "download"), Connections, stretch)).WallMilliseconds);
                await proxy.TakeCountsAsync();
                restores.Add(await RestoreAsync(run, proxy.Port));
                counts = await proxy.TakeCountsAsync();
                smaller.Add((await transfer.DownloadAsync(objects, Output(run, "download"), Connections, 1)).WallMilliseconds);
            }
        }

        double restore = Statistics.Median(restores.Select(cost => cost.WallMilliseconds));
        double download = Statistics.Median(downloads);
        return
        [
            Figure.Milliseconds("restore", restore),
            Figure.Milliseconds("download-8", download),
            Figure.Ratio("ratio", Ratio(restores, downloads)),
            Figure.Ratio("ratio-undecoded", Ratio(restores, smaller)),
            .. await NarrowAsync(run, store, objects, stretch),
            Figure.Milliseconds("cpu", Statistics.Median(restores.Select(cost => cost.CpuMilliseconds))),
            Figure.Mebibytes("rss-peak", restores.Max(cost => cost.PeakBytes)),
            Figure.Count("lists", counts.Lists),
            Figure.Count("gets", counts.Gets),
            Figure.Count("heads", counts.Heads),
            Figure.Count("connections-peak", counts.Peak),
            Figure.Mebibytes("replica", bytes),
            Figure.Ratio("bytes-read", counts.BytesDown / (double)bytes),
            Figure.Count("load", Load()),
        ];
    }

    private static double Ratio(List<CommandCost> own, List<double> plain) => Statistics.Median(own.Zip(plain, (cost, wall) => cost.WallMilliseconds / wall));

    internal static double Load() => double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>A store that gives each connection 50 MB/s: one stream, and the restore.</summary>
    private static async Task<Figure[]> NarrowAsync(ScenarioRun run, S3Store store, IReadOnlyList<(string Key, long Size)> objects, double stretch)
    {
        await using WireProxy proxy = await WireProxy.StartAsync(run.Probe, store.Port, NarrowBytesPerSecond);
        var transfer = new S3Transfer(run.Probe, proxy.Port, run.Folder);
        double single = (await transfer.DownloadAsync(objects, Output(run, "download"), 1, stretch, isCut: false)).WallMilliseconds;
        var restores = new List<double>();
        var downloads = new List<double>();
        for (int pair = 0; pair < Pairs; pair++)
        {
            restores.Add((await RestoreAsync(run, proxy.Port)).WallMilliseconds);
            downloads.Add((await transfer.DownloadAsync(objects, Output(run, "download"), Connections, stretch)).WallMilliseconds);
        }

        double restore = Statistics.Median(restores);
        return
        [
            Figure.Milliseconds("narrow-restore", restore),
            Figure.Milliseconds("narrow-stream", single),
            Figure.Ratio("narrow-gain", single / restore),
            Figure.Ratio("narrow-gain-download-8", single / Statistics.Median(downloads)),
        ];
    }

    private static Task<CommandCost> RestoreAsync(ScenarioRun run, int port) =>
        run.Probe.MeasureAsync(run.Executable, "restore", "-o", Output(run, "restored.db"), S3Store.Url("app", port));

    private static string Output(ScenarioRun run, string name)
    {
        string path = Path.Combine(run.Folder, name);
        File.Delete(path);
        return path;
    }
}
