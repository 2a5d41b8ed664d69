using System.Diagnostics;
using System.Globalization;

namespace Litestream.Scenarios;

/// <summary>Records when each complete L0 file appears in any of many directory replicas.</summary>
internal sealed class FleetWatch : IAsyncDisposable
{
    private readonly Process process;
    private readonly List<(long Time, int Database, string Name)> arrivals = [];
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private FleetWatch(Process process) => this.process = process;

    /// <param name="probe">The program that watches.</param>
    /// <param name="list">File with one directory in each line.</param>
    public static async Task<FleetWatch> StartAsync(Probe probe, string list)
    {
        var watch = new FleetWatch(probe.StartWatchAll(list));
        watch.process.OutputDataReceived += (_, line) => watch.Add(line.Data);
        watch.process.BeginOutputReadLine();
        await watch.ready.Task.WaitAsync(TimeSpan.FromSeconds(10));
        return watch;
    }

    /// <summary>Nanoseconds since 1970, line of the list, name.</summary>
    public IReadOnlyList<(long Time, int Database, string Name)> Arrivals
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
        if (line?.Split(' ') is not [string time, string database, string name])
        {
            return;
        }

        if (name == "ready")
        {
            ready.TrySetResult();
            return;
        }

        lock (arrivals)
        {
            arrivals.Add((long.Parse(time, CultureInfo.InvariantCulture), int.Parse(database, CultureInfo.InvariantCulture), name));
        }
    }
}
