using System.Globalization;

namespace Litestream.TestKit.Processes;

/// <summary>A running workload program (tests/Litestream.Workload).</summary>
public sealed class WorkloadProcess : ChildProcess
{
    private WorkloadProcess(string executable, IEnumerable<string> arguments)
        : base(executable, arguments)
    {
    }

    /// <summary>Starts it and waits until its tables exist.</summary>
    public static Task<WorkloadProcess> StartAsync(params string[] arguments) => StartProgramAsync(Checkout.Workload, arguments);

    /// <summary>The same for a copy of the program, such as one with another SQLite (<see cref="OldApplication"/>).</summary>
    public static async Task<WorkloadProcess> StartProgramAsync(string executable, params string[] arguments)
    {
        var process = new WorkloadProcess(executable, arguments);
        await process.WaitForLineAsync(line => line == "ready");
        return process;
    }

    /// <summary>Waits until no transaction is open and none begins. The program must not be ending at the same time.</summary>
    public async Task PauseAsync()
    {
        int seen = LineCount;
        Send("pause");
        await WaitForLineAsync(line => line == "paused", seen);
    }

    /// <summary>Goes on after a pause.</summary>
    public void Resume() => Send("resume");

    /// <summary>Waits until a writer has had a commit with this number or a later one acknowledged; needs <c>--progress</c>.</summary>
    public Task WaitForCommitAsync(int writer, long n) => WaitForLineAsync(line =>
        line.Split(' ') is ["ack", string w, string number]
        && w == writer.ToString(CultureInfo.InvariantCulture)
        && long.Parse(number, CultureInfo.InvariantCulture) >= n);

    /// <summary>Ends it after the current transactions.</summary>
    /// <returns>Its line of figures.</returns>
    public async Task<string> StopAsync()
    {
        Send("stop");
        int code = await WaitForExitAsync();
        return code == 0 ? Lines[^1] : throw new InvalidOperationException($"{CommandLine}: exit code {code}. Output:{Environment.NewLine}{Output}");
    }
}
