using Litestream.Ltx;

namespace Litestream.Scenarios;

/// <summary>The first full copy of a large database into an empty replica.</summary>
internal sealed class SnapshotScenario : IScenario
{
    public string Name => "snapshot";

    public string Summary => "first copy of a database of word text, against the LZ4 encoder alone (--size, default 1 GiB)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        string source = await BenchData.DatabaseAsync(run);
        File.Copy(source, run.Database);
        double encoder = await EncoderMegabytesPerSecondAsync(source);
        CommandCost cost = await run.Probe.MeasureAsync(run.Executable, "replicate", "-once", run.Database, run.ReplicaUrl);
        double megabytes = new FileInfo(source).Length / 1e6;
        double perCore = megabytes / (cost.CpuMilliseconds / 1000);
        return
        [
            new Figure("per-core", perCore, "0", "MB/s"),
            new Figure("wall", megabytes / (cost.WallMilliseconds / 1000), "0", "MB/s"),
            new Figure("lz4-alone", encoder, "0", "MB/s"),
            Figure.Ratio("of-lz4-alone", perCore / encoder),
            Figure.Mebibytes("rss-peak", cost.PeakBytes),
            Figure.Mebibytes("replica", Directory.EnumerateFiles(run.LevelZero).Sum(Folders.SizeOf)),
        ];
    }

    /// <summary>The encoder with nothing around it: one core, warmed up, over the first pages of the same database.</summary>
    private static async Task<double> EncoderMegabytesPerSecondAsync(string source)
    {
        const int PageSize = 4096;
        byte[] pages = new byte[64 << 20];
        await using (FileStream file = File.OpenRead(source))
        {
            Array.Resize(ref pages, await file.ReadAtLeastAsync(pages, pages.Length, throwOnEndOfStream: false) / PageSize * PageSize);
        }

        byte[] block = new byte[LtxFormat.MaxBlockSize(PageSize)];
        double best = double.PositiveInfinity;
        for (int round = 0; round < 5; round++)
        {
            long start = System.Diagnostics.Stopwatch.GetTimestamp();
            for (int at = 0; at < pages.Length; at += PageSize)
            {
                _ = LtxBlock.Compress(pages.AsSpan(at, PageSize), block);
            }

            best = Math.Min(best, System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return pages.Length / 1e6 / best;
    }
}
