namespace Litestream.Scenarios;

/// <summary>
/// An application that cannot wait: no busy timeout on commits, reads and auto-checkpoints. It must never see SQLITE_BUSY, and its
/// database must be the same as after the same run without us.
/// </summary>
internal sealed class BusyScenario : IScenario
{
    private const int PerSecond = 200;
    private const long Interval = 1_000_000_000 / PerSecond;
    private const double TruncatePeriodSeconds = 3;

    public string Name => "busy";

    public string Summary => "200 commits/s without busy timeout, readers, auto-checkpoints, explicit TRUNCATE (--seconds, default 60)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        int seconds = run.Seconds(60);
        await run.CreateDatabaseAsync();
        long[] writer, reader, truncate;
        await using (Daemon daemon = await Daemon.StartAsync(run))
        {
            Task<long[][]> read = run.Probe.RunAsync("read", run.Database, Probe.Text(seconds));
            writer = (await WriteStrictlyAsync(run, run.Database, seconds))[0];
            reader = (await read)[0];
            await daemon.StopAsync();
        }

        // The same application alone. Equal bytes of every page are more than an equal .dump and schema cookie.
        string reference = Path.Combine(run.Folder, "reference.db");
        await run.Probe.RunAsync("create", reference, "1000");
        await WriteStrictlyAsync(run, reference, seconds);
        await run.Probe.RunAsync("checkpoint", run.Database);
        await run.Probe.RunAsync("checkpoint", reference);
        int different = DifferentPages(await File.ReadAllBytesAsync(run.Database), await File.ReadAllBytesAsync(reference));

        // An explicit TRUNCATE takes the locks that others need, with or without us, so these writers have a busy timeout.
        await using (await Daemon.StartAsync(run))
        {
            int period = Math.Clamp(seconds, 10, 60);
            Task<long[][]> truncating = run.Probe.RunAsync("truncate", run.Database, Probe.Text(period), Probe.Text(TruncatePeriodSeconds));
            await run.Probe.RunAsync("paced", run.Database, Probe.Text(PerSecond * period), Probe.Text(Interval), "8");
            truncate = (await truncating)[0];
        }

        return
        [
            Figure.Count("commits", writer[0]),
            Figure.Count("busy-commits", writer[1]),
            Figure.Count("auto-checkpoints", writer[2]),
            Figure.Count("busy-auto-checkpoints", writer[3]),
            Figure.Count("reads", reader[0]),
            Figure.Count("busy-reads", reader[1]),
            Figure.Count("pages-different-from-run-alone", different),
            Figure.Count("truncates", truncate[0]),
            Figure.Count("truncates-failed", truncate[1]),
            Figure.Milliseconds("longest-truncate", truncate[2] / 1e6),
        ];
    }

    private static Task<long[][]> WriteStrictlyAsync(ScenarioRun run, string database, int seconds) =>
        run.Probe.RunAsync("strict", database, Probe.Text(PerSecond * seconds), Probe.Text(Interval));

    private static int DifferentPages(byte[] left, byte[] right)
    {
        const int PageSize = 4096;
        int different = Math.Abs(left.Length - right.Length) / PageSize;
        for (int at = 0; at < Math.Min(left.Length, right.Length); at += PageSize)
        {
            different += left.AsSpan(at, PageSize).SequenceEqual(right.AsSpan(at, PageSize)) ? 0 : 1;
        }

        return different;
    }
}
