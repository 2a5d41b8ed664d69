using System.Diagnostics;
using System.Text;
using Litestream.Storage;

namespace Litestream.Cli.Tests.Replay;

/// <summary>The program as a process of its own, with its output as it comes.</summary>
internal sealed class CliProcess : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly Process process;
    private readonly StringBuilder output = new();
    private readonly StringBuilder error = new();
    private readonly List<(string Text, TaskCompletionSource Seen)> awaited = [];
    private readonly Task[] readers;

    public CliProcess(string directory, Dictionary<string, string> environment, string[] args)
    {
        ProcessStartInfo start = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "litestream.dll"), .. args])
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Clear();
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        start.Environment["DOTNET_ROOT"] = Environment.GetEnvironmentVariable("DOTNET_ROOT");
        start.Environment["DOTNET_TieredPGO"] = "0";
        process = Process.Start(start)!;
        readers = [ReadAsync(process.StandardOutput, output), ReadAsync(process.StandardError, error)];
    }

    public int Id => process.Id;

    public string Output
    {
        get
        {
            lock (awaited)
            {
                return output.ToString();
            }
        }
    }

    /// <summary>Waits until a text has appeared on standard output or standard error.</summary>
    public async Task WaitForAsync(string text)
    {
        TaskCompletionSource seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (awaited)
        {
            awaited.Add((text, seen));
            Complete();
        }

        await Task.WhenAny(seen.Task, process.WaitForExitAsync()).WaitAsync(Limit);
    }

    public void Send(string signal) => ProcessSignal.Send(process.Id, signal switch
    {
        "SIGHUP" => 1,
        "SIGINT" => 2,
        "SIGUSR1" => 10,
        "SIGUSR2" => 12,
        "SIGPIPE" => 13,
        "SIGALRM" => 14,
        "SIGTERM" => 15,
        "SIGWINCH" => 28,
        _ => throw new ArgumentException(signal),
    });

    public async Task<RunResult> WaitAsync()
    {
        await process.WaitForExitAsync().WaitAsync(Limit);
        await Task.WhenAll(readers);
        return new RunResult(process.ExitCode, output.ToString(), error.ToString());
    }

    public void Dispose()
    {
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }

        process.Dispose();
    }

    private async Task ReadAsync(StreamReader reader, StringBuilder target)
    {
        char[] buffer = new char[4096];
        for (int count; (count = await reader.ReadAsync(buffer)) > 0;)
        {
            lock (awaited)
            {
                target.Append(buffer, 0, count);
                Complete();
            }
        }
    }

    private void Complete()
    {
        foreach ((string text, TaskCompletionSource seen) in awaited)
        {
            if (output.ToString().Contains(text, StringComparison.Ordinal) || error.ToString().Contains(text, StringComparison.Ordinal))
            {
                seen.TrySetResult();
            }
        }
    }
}
