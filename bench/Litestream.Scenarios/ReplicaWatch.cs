using System.Diagnostics;
using System.Globalization;

namespace Litestream.Scenarios;

/// <summary>Records when each complete L0 file appears in a directory replica, or when a reader of a database sees something new.</summary>
internal sealed class ReplicaWatch : IAsyncDisposable
{
    private readonly Process process;
    private readonly List<(long Time, string Name)> arrivals = [];
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly string suffix;

    private ReplicaWatch(Process process, string suffix)
    {
        this.process = process;
        this.suffix = suffix;
    }

    public static Task<ReplicaWatch> StartAsync(ScenarioRun run) => StartAsync(run.Probe.StartWatch(run.LevelZero), ".ltx");

    /// <summary>Watches a database instead: the names are the highest sequence numbers that a reader sees.</summary>
    public static Task<ReplicaWatch> StartVisibleAsync(ScenarioRun run, string database) => StartAsync(run.Probe.StartVisible(database), "");

    private static async Task<ReplicaWatch> StartAsync(Process process, string suffix)
    {
        var watch = new ReplicaWatch(process, suffix);
        watch.process.OutputDataReceived += (_, line) => watch.Add(line.Data);
        watch.process.BeginOutputReadLine();
        await watch.ready.Task.WaitAsync(TimeSpan.FromSeconds(10));
        return watch;
    }

    /// <summary>Nanoseconds since 1970 and names of the .ltx files so far, first arrival of each name.</summary>
    public IReadOnlyList<(long Time, string Name)> Arrivals
    {
        get
        {
            lock (arrivals)
            {
                return [.. arrivals];
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    private void Add(string? line)
    {
        if (line is null)
        {
            return;
        }

        int space = line.IndexOf(' ', StringComparison.Ordinal);
        string name = line[(space + 1)..];
        if (name == "ready")
        {
            ready.TrySetResult();
        }
        else if (name.EndsWith(suffix, StringComparison.Ordinal))
        {
            lock (arrivals)
            {
                arrivals.Add((long.Parse(line.AsSpan(0, space), CultureInfo.InvariantCulture), name));
            }
        }
    }
}
