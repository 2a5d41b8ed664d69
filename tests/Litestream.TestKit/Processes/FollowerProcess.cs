namespace Litestream.TestKit.Processes;

/// <summary>A running <c>litestream restore -f</c>.</summary>
public sealed class FollowerProcess : ChildProcess
{
    private FollowerProcess(string executable, IEnumerable<string> arguments)
        : base(executable, arguments)
    {
    }

    /// <summary>Starts it and waits until it follows.</summary>
    /// <param name="output">The database.</param>
    /// <param name="replica">Root of a directory replica.</param>
    /// <param name="flags">More flags.</param>
    public static Task<FollowerProcess> StartAsync(string output, string replica, params string[] flags) =>
        StartUnderAsync([], output, replica, flags);

    /// <summary>The same under another program, such as a tracer.</summary>
    public static async Task<FollowerProcess> StartUnderAsync(string[] under, string output, string replica, params string[] flags)
    {
        FollowerProcess process = Start(under, output, replica, flags);
        await process.WaitForLineAsync(line => line.Contains("entering follow mode", StringComparison.Ordinal));
        return process;
    }

    /// <summary>Starts it and waits for nothing.</summary>
    public static FollowerProcess Start(string[] under, string output, string replica, params string[] flags)
    {
        string[] command = [.. under, Checkout.Litestream, "restore", "-f", .. flags, "-o", output, "file://" + replica];
        return new FollowerProcess(command[0], command[1..]);
    }

    /// <summary>Ends it as an init system does.</summary>
    /// <returns>The exit code.</returns>
    public Task<int> StopAsync(int signal = Terminate)
    {
        Signal(signal);
        return WaitForExitAsync();
    }
}
