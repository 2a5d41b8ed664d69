namespace Litestream.TestKit.Processes;

/// <summary>A running <c>litestream replicate</c>.</summary>
public sealed class DaemonProcess : ChildProcess
{
    private DaemonProcess(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment)
        : base(Checkout.Litestream, ["replicate", .. arguments], environment)
    {
    }

    /// <summary>Starts it without waiting for anything.</summary>
    public static DaemonProcess Start(params string[] arguments) => new(arguments, null);

    /// <summary>Starts it with additional environment variables.</summary>
    public static DaemonProcess Start(IReadOnlyDictionary<string, string> environment, params string[] arguments) => new(arguments, environment);

    /// <summary>Stops it in an orderly way: final sync, then exit.</summary>
    /// <returns>The exit code.</returns>
    public Task<int> StopAsync()
    {
        Signal(Terminate);
        return WaitForExitAsync();
    }
}
