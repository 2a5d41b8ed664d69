using K4os.Compression.LZ4;
using Litestream.Ltx;

namespace Litestream.Scenarios;

/// <summary>A level-9 snapshot of a large database, and its first full copy: one local and one in the replica.</summary>
internal sealed class SnapshotScenario : IScenario
{
    private const int PageSize = 4096;

    public string Name => "snapshot";

    public string Summary => "snapshot of a database of word text, against the LZ4 encoder alone (--size, default 1 GiB)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        string source = await BenchData.DatabaseAsync(run);
        File.Copy(source, run.Database);
        byte[] pages = await FirstPagesAsync(source);
        byte[] block = new byte[LtxFormat.MaxBlockSize(PageSize)];
        double encoder = MegabytesPerSecond(pages, page => LtxBlock.Compress(page, block));
        double package = MegabytesPerSecond(pages, page => LZ4Codec.Encode(page, block));
        CommandCost first = await run.Probe.MeasureAsync(run.Executable, "replicate", "-once", run.Database, run.ReplicaUrl);

        // A run that finds nothing to do, and one that also takes a snapshot: the difference is the snapshot.
        CommandCost nothing = await run.Probe.MeasureAsync(run.Executable, "replicate", "-once", run.Database, run.ReplicaUrl);
        CommandCost forced = await run.Probe.MeasureAsync(run.Executable, "replicate", "-once", "-force-snapshot", run.Database, run.ReplicaUrl);
        var cost = new CommandCost(
            forced.WallMilliseconds - nothing.WallMilliseconds, forced.CpuMilliseconds - nothing.CpuMilliseconds, forced.PeakBytes);
        double megabytes = new FileInfo(source).Length / 1e6;
        double perCore = megabytes / (cost.CpuMilliseconds / 1000);
        return
        [
            new Figure("per-core", perCore, "0", "MB/s"),
            new Figure("wall", megabytes / (cost.WallMilliseconds / 1000), "0", "MB/s"),
            new Figure("lz4-alone", encoder, "0", "MB/s"),
            new Figure("lz4-package", package, "0", "MB/s"),
            Figure.Ratio("of-lz4-alone", perCore / encoder),
            Figure.Mebibytes("rss-peak", cost.PeakBytes),
            new Figure("first-copy-per-core", megabytes / (first.CpuMilliseconds / 1000), "0", "MB/s"),
            Figure.Mebibytes("replica", Directory.EnumerateFiles(run.LevelZero).Sum(Folders.SizeOf)),
        ];
    }

    private static async Task<byte[]> FirstPagesAsync(string source)
    {
        byte[] pages = new byte[64 << 20];
        await using FileStream file = File.OpenRead(source);
        int read = await file.ReadAtLeastAsync(pages, pages.Length, throwOnEndOfStream: false);
        return pages[..(read / PageSize * PageSize)];
    }

    /// <summary>An encoder with nothing around it, one core, the best of several rounds.</summary>
    private static double MegabytesPerSecond(byte[] pages, Encoder encode)
    {
        double best = double.PositiveInfinity;
        for (int round = 0; round < 8; round++)
        {
            // Processor time, as for the command: on a busy machine the clock on the wall measures the others.
            TimeSpan start = Environment.CpuUsage.TotalTime;
            for (int at = 0; at < pages.Length; at += PageSize)
            {
                _ = encode(pages.AsSpan(at, PageSize));
            }

            best = Math.Min(best, (Environment.CpuUsage.TotalTime - start).TotalSeconds);
        }

        return pages.Length / 1e6 / best;
    }

    private delegate int Encoder(ReadOnlySpan<byte> page);
}
