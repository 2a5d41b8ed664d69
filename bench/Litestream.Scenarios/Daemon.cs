using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Litestream.Scenarios;

/// <summary>A running <c>litestream replicate</c>, watched through /proc.</summary>
internal sealed partial class Daemon : IAsyncDisposable
{
    private const double TicksPerSecond = 100; // USER_HZ, fixed in the kernel's interface
    private readonly Process process;
    private readonly List<string> log = [];

    private Daemon(Process process) => this.process = process;

    /// <summary>Starts the daemon with default settings and waits for the first L0 file in the replica.</summary>
    /// <exception cref="TimeoutException">No file within 60 s.</exception>
    public static Task<Daemon> StartAsync(ScenarioRun run) => StartAsync(
        run.Executable,
        ["replicate", run.Database, run.ReplicaUrl],
        _ => Directory.Exists(run.LevelZero) && Directory.EnumerateFiles(run.LevelZero, "*.ltx").Any(),
        TimeSpan.FromSeconds(60));

    /// <summary>Starts the daemon and waits until it has done what the caller looks for.</summary>
    /// <exception cref="TimeoutException">It did not in time.</exception>
    public static async Task<Daemon> StartAsync(string executable, string[] arguments, Func<Daemon, bool> isReady, TimeSpan limit)
    {
        var daemon = new Daemon(Process.Start(new ProcessStartInfo(executable, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!);
        daemon.process.OutputDataReceived += daemon.Remember;
        daemon.process.ErrorDataReceived += daemon.Remember;
        daemon.process.BeginOutputReadLine();
        daemon.process.BeginErrorReadLine();

        long start = Stopwatch.GetTimestamp();
        while (!isReady(daemon))
        {
            if (daemon.process.HasExited || Stopwatch.GetElapsedTime(start) > limit)
            {
                string text = daemon.Log;
                await daemon.DisposeAsync();
                throw new TimeoutException("the daemon did not get ready: " + text[Math.Max(0, text.Length - 4000)..]);
            }

            await Task.Delay(20);
        }

        return daemon;
    }

    /// <summary>Open descriptors.</summary>
    public int Descriptors => Directory.EnumerateFileSystemEntries($"/proc/{process.Id}/fd").Count();

    public string Log
    {
        get
        {
            lock (log)
            {
                return string.Join(Environment.NewLine, log);
            }
        }
    }

    public int LogLines(string containing)
    {
        lock (log)
        {
            return log.Count(line => line.Contains(containing, StringComparison.OrdinalIgnoreCase));
        }
    }

    public ProcessUsage Usage()
    {
        string folder = $"/proc/{process.Id}";

        // Clock ticks count threads that have ended; the scheduler's nanoseconds of living threads are finer when little happens.
        string stat = File.ReadAllText(folder + "/stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        double ticks = (Number(fields[11]) + Number(fields[12])) / TicksPerSecond;
        double scheduled = Directory.EnumerateDirectories(folder + "/task").Sum(task => Number(File.ReadAllText(task + "/schedstat").Split(' ')[0])) / 1e9;

        string[] status = File.ReadAllLines(folder + "/status");
        string[] io = File.ReadAllLines(folder + "/io");
        return new ProcessUsage(
            ticks, scheduled, Field(status, "VmRSS:") * 1024, Field(status, "VmHWM:") * 1024, Field(io, "syscw:"), Field(io, "write_bytes:"));
    }

    /// <summary>SIGTERM, so that the final sync runs; then waits.</summary>
    public async Task StopAsync()
    {
        if (!process.HasExited)
        {
            _ = SendSignal(process.Id, 15);
        }

        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(300));
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }

        await process.WaitForExitAsync();
        process.Dispose();
    }

    private void Remember(object sender, DataReceivedEventArgs line)
    {
        lock (log)
        {
            log.Add(line.Data ?? "");
        }
    }

    private static long Field(string[] lines, string name) =>
        Number(lines.First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Trim().Split(' ')[0]);

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);
}
