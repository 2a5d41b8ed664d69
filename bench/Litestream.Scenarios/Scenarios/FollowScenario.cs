using System.Diagnostics;
using System.Globalization;

namespace Litestream.Scenarios;

/// <summary>
/// A live replica under a steady 20 commits/s: from "the L0 file is complete in the replica" to "a new reader of the follower sees
/// it" (decision D3; bar: p50 at most 100 ms, p99 at most 1 s).
/// </summary>
internal sealed class FollowScenario : IScenario
{
    private const int PerSecond = 20;

    public string Name => "follow";

    public string Summary => "lag of restore -f behind a directory replica at 20 commits/s (--seconds, default 20)";

    public async Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run)
    {
        string output = Path.Combine(run.Folder, "follow.db");
        await run.CreateDatabaseAsync();
        await using Daemon daemon = await Daemon.StartAsync(run);
        using Process follower = Process.Start(new ProcessStartInfo(run.Executable, ["restore", "-f", "-json", "-o", output, run.ReplicaUrl])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            Task<string> events = follower.StandardOutput.ReadToEndAsync();
            for (string? line = ""; !line.Contains("entering follow mode", StringComparison.Ordinal);)
            {
                line = await follower.StandardError.ReadLineAsync() ?? throw new InvalidOperationException("the follower ended: " + await events);
            }

            Task<string> log = follower.StandardError.ReadToEndAsync();
            await using ReplicaWatch files = await ReplicaWatch.StartAsync(run);
            await using ReplicaWatch reader = await ReplicaWatch.StartVisibleAsync(run, output);
            await Task.Delay(TimeSpan.FromSeconds(1));
            int count = PerSecond * run.Seconds(20);
            await run.Probe.RunAsync("paced", run.Database, Probe.Text(count), Probe.Text(1_000_000_000 / PerSecond), "6");
            await Task.Delay(TimeSpan.FromSeconds(3));

            var seen = reader.Arrivals.Select(look => (look.Time, Reaches: long.Parse(look.Name, CultureInfo.InvariantCulture))).ToList();
            double[] lags = [.. files.Arrivals.Select(file => Lag(file.Time, CommitMarks.Highest(Path.Combine(run.LevelZero, file.Name)), seen))];
            return
            [
                Figure.Milliseconds("p50-lag", Statistics.Percentile(lags, 50)),
                Figure.Milliseconds("p99-lag", Statistics.Percentile(lags, 99)),
                Figure.Milliseconds("max-lag", lags.Max()),
                Figure.Count("files", lags.Length),
                Figure.Count("reader-saw", seen.Count),
            ];
        }
        finally
        {
            follower.Kill();
            await follower.WaitForExitAsync();
        }
    }

    private static double Lag(long complete, long reaches, List<(long Time, long Reaches)> seen)
    {
        (long time, _) = seen.FirstOrDefault(look => look.Reaches >= reaches);
        return time == 0 ? double.PositiveInfinity : Math.Max(0, (time - complete) / 1e6);
    }
}
