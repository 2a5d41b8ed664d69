using Litestream.Ltx;
using Litestream.TestKit.Replicas;

namespace Litestream.Scenarios;

/// <summary>Restore from thousands of small files: requests are what it costs, and connections must stay few.</summary>
internal sealed class S3FilesScenario : IScenario
{
    private const int PageSize = 4096;
    private const int DatabasePages = 2000;
    private const int PagesPerFile = 3;
    private const int Pairs = 3;

    public string Name => "s3files";

    public string Summary => "5,000 small files of level 0 from S3, 20 ms away (--samples files)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        int count = run.Samples(5000);
        await using S3Store store = await S3Store.StartAsync();
        await store.UploadAsync("app", count, MakeFile);
        await using WireProxy proxy = await WireProxy.StartAsync(run.Probe, store.Port);
        string output = Path.Combine(run.Folder, "restored.db");
        var restores = new List<CommandCost>();
        WireCounts counts = default;
        for (int pair = 0; pair < Pairs; pair++)
        {
            File.Delete(output);
            await proxy.TakeCountsAsync();
            restores.Add(await run.Probe.MeasureAsync(run.Executable, "restore", "-o", output, S3Store.Url("app", proxy.Port)));
            counts = await proxy.TakeCountsAsync();
        }

        return
        [
            Figure.Milliseconds("restore", Statistics.Median(restores.Select(cost => cost.WallMilliseconds))),
            Figure.Count("connections-peak", counts.Peak),
            Figure.Count("connections", counts.Connections),
            Figure.Count("lists", counts.Lists),
            Figure.Count("gets", counts.Gets),
            Figure.Milliseconds("cpu", Statistics.Median(restores.Select(cost => cost.CpuMilliseconds))),
            Figure.Mebibytes("rss-peak", restores.Max(cost => cost.PeakBytes)),
            Figure.Count("load", S3RestoreScenario.Load()),
        ];
    }

    /// <summary>The first file holds everything, each further one changes some pages.</summary>
    private static (string Name, byte[] Content) MakeFile(int number)
    {
        ulong transaction = (ulong)number + 1;
        uint first = (uint)(number * 7 % (DatabasePages - PagesPerFile)) + 1;
        IEnumerable<uint> pages = number == 0 ? LtxBuilder.AllPages(DatabasePages, PageSize) : Enumerable.Range(0, PagesPerFile).Select(page => first + (uint)page);
        return (
            LtxFileName.Format(new Txid(transaction), new Txid(transaction)),
            LtxBuilder.File(transaction, transaction, DatabasePages, pages, PageSize));
    }
}
