namespace Litestream.Scenarios;

/// <summary>Requests of a daemon whose database nobody writes.</summary>
internal sealed class S3IdleScenario : IScenario
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    public string Name => "s3idle";

    public string Summary => "one idle database on S3: requests after merges and deletions have settled (--seconds, default 60)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        int seconds = run.Seconds(60);
        await run.CreateDatabaseAsync();
        await using S3Store store = await S3Store.StartAsync();
        await using WireProxy proxy = await WireProxy.StartAsync(run.Probe, store.Port);
        string configuration = Path.Combine(run.Folder, "litestream.yml");

        // Short intervals: at the defaults the last merge of a commit comes an hour after it.
        await File.WriteAllTextAsync(
            configuration,
            $"""
            l0-retention: 5s
            l0-retention-check-interval: 2s
            levels:
              - interval: 3s
              - interval: 6s
            dbs:
              - path: {run.Database}
                replica:
                  url: s3://{S3Store.Bucket}/app
                  endpoint: http://127.0.0.1:{proxy.Port}
                  region: us-east-1
                  force-path-style: true

            """);
        int seen = 0;
        await using Daemon daemon = await Daemon.StartAsync(
            run.Executable, ["replicate", "-config", configuration], _ => ++seen > 1, TimeSpan.FromSeconds(60));
        await run.Probe.RunAsync("paced", run.Database, "20", "100000000", "10");
        long settled = await SettleAsync(proxy);
        ProcessUsage before = daemon.Usage();
        await Task.Delay(TimeSpan.FromSeconds(seconds));
        ProcessUsage after = daemon.Usage();
        WireCounts counts = await proxy.TakeCountsAsync();
        return
        [
            Figure.Count("requests", counts.Requests),
            Figure.Count("requests-before", settled),
            Figure.Percent("cpu", ProcessUsage.CpuPercent(before, after, seconds)),
            Figure.Mebibytes("rss", after.ResidentBytes),
            Figure.Count("seconds", seconds),
        ];
    }

    /// <summary>Waits until nothing has been asked for a while; returns the requests up to there.</summary>
    private static async Task<long> SettleAsync(WireProxy proxy)
    {
        long began = Environment.TickCount64;
        for (long total = 0; ;)
        {
            await Task.Delay(Quiet);
            long requests = (await proxy.TakeCountsAsync()).Requests;
            total += requests;
            if (requests == 0 && total > 0)
            {
                return total;
            }

            if (Environment.TickCount64 - began > Patience.TotalMilliseconds)
            {
                throw new TimeoutException($"{requests} requests in the last {Quiet.TotalSeconds} s, five minutes after the last commit");
            }
        }
    }
}
