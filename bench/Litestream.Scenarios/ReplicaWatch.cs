using System.Diagnostics;
using System.Globalization;

namespace Litestream.Scenarios;

/// <summary>Records when each complete L0 file appears in a directory replica.</summary>
internal sealed class ReplicaWatch : IAsyncDisposable
{
    private readonly Process process;
    private readonly List<(long Time, string Name)> arrivals = [];
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ReplicaWatch(Process process) => this.process = process;

    public static async Task<ReplicaWatch> StartAsync(ScenarioRun run)
    {
        var watch = new ReplicaWatch(run.Probe.StartWatch(run.LevelZero));
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
        else if (name.EndsWith(".ltx", StringComparison.Ordinal))
        {
            lock (arrivals)
            {
                arrivals.Add((long.Parse(line.AsSpan(0, space), CultureInfo.InvariantCulture), name));
            }
        }
    }
}
