namespace Litestream.Scenarios;

/// <summary>
/// A snapshot to S3, in turns with what uploads the same bytes, ready in a file, through the same proxy: the transfer of the AWS SDK, and
/// plain signed requests that hash nothing.
/// </summary>
internal sealed class S3SnapshotScenario : IScenario
{
    private const int Pairs = 3;
    private const int Connections = 5;
    private const long PartSize = 5 << 20;

    // The store keeps everything in memory, and what was replaced or deleted stays there for an hour.
    private const long OneStoreLimit = 256 << 20;

    public string Name => "s3snapshot";

    public string Summary => "snapshot to S3, 20 ms away, against the AWS SDK and a 5-way upload of the same bytes in turns (--size, default 1 GiB)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        string source = await BenchData.DatabaseAsync(run);
        string snapshot = await MakeSnapshotAsync(run, source);
        var own = new List<CommandCost>();
        var plain = new List<double>();
        var sdk = new List<double>();
        WireCounts counts = default;
        S3Store store = await S3Store.StartAsync();
        try
        {
            for (int pair = 0; pair < Pairs; pair++)
            {
                if (pair > 0 && run.Options.Size > OneStoreLimit)
                {
                    await store.DisposeAsync();
                    store = await S3Store.StartAsync();
                }

                await using WireProxy proxy = await WireProxy.StartAsync(run.Probe, store.Port);
                string database = Path.Combine(Folders.NewRun("copy", run.Folder), "app.db");
                File.Copy(source, database);
                string url = S3Store.Url($"app{pair}", proxy.Port);
                await run.Probe.MeasureAsync(run.Executable, "replicate", "-once", database, url);
                CommandCost nothing = await run.Probe.MeasureAsync(run.Executable, "replicate", "-once", database, url);
                await proxy.TakeCountsAsync();
                CommandCost forced = await run.Probe.MeasureAsync(run.Executable, "replicate", "-once", "-force-snapshot", database, url);
                counts = await proxy.TakeCountsAsync();
                own.Add(new CommandCost(forced.WallMilliseconds - nothing.WallMilliseconds, forced.CpuMilliseconds - nothing.CpuMilliseconds, forced.PeakBytes));
                sdk.Add(await SdkTransfer.UploadAsync(snapshot, $"sdk{pair}", proxy.Port));
                plain.Add(await new S3Transfer(run.Probe, proxy.Port, run.Folder).UploadAsync(snapshot, $"plain{pair}", PartSize, Connections));
            }
        }
        finally
        {
            await store.DisposeAsync();
        }

        double megabytes = new FileInfo(snapshot).Length / 1e6;
        return
        [
            Figure.Milliseconds("snapshot", Statistics.Median(own.Select(cost => cost.WallMilliseconds))),
            Figure.Milliseconds("sdk", Statistics.Median(sdk)),
            Figure.Milliseconds("upload-5", Statistics.Median(plain)),
            Figure.Ratio("of-sdk", Statistics.Median(own.Zip(sdk, (cost, wall) => wall / cost.WallMilliseconds))),
            Figure.Ratio("of-upload-5", Statistics.Median(own.Zip(plain, (cost, wall) => wall / cost.WallMilliseconds))),
            new Figure("upload-rate", megabytes / (Statistics.Median(own.Select(cost => cost.WallMilliseconds)) / 1000), "0", "MB/s"),
            Figure.Milliseconds("cpu", Statistics.Median(own.Select(cost => cost.CpuMilliseconds))),
            Figure.Mebibytes("rss-peak", own.Max(cost => cost.PeakBytes)),
            Figure.Count("writes", counts.Writes),
            Figure.Count("lists", counts.Lists),
            Figure.Count("heads", counts.Heads),
            Figure.Count("connections-peak", counts.Peak),
            Figure.Count("load", S3RestoreScenario.Load()),
        ];
    }

    /// <summary>The bytes of a snapshot, as a file.</summary>
    private static async Task<string> MakeSnapshotAsync(ScenarioRun run, string source)
    {
        string folder = Folders.NewRun("plain", run.Folder);
        string database = Path.Combine(folder, "app.db");
        File.Copy(source, database);
        string replica = Path.Combine(folder, "replica");
        await run.Probe.MeasureAsync(run.Executable, "replicate", "-once", database, "file://" + replica);
        return Directory.GetFiles(replica, "*.ltx", SearchOption.AllDirectories).MaxBy(file => new FileInfo(file).Length)!;
    }
}
