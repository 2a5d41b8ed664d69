using System.Diagnostics;
using System.Globalization;

namespace Litestream.Scenarios;

/// <summary>The way to a distant store: holds every request back, limits each connection, counts (Native/network.c).</summary>
internal sealed class WireProxy : IAsyncDisposable
{
    /// <summary>Round trip of the scenarios.</summary>
    public static readonly TimeSpan Latency = TimeSpan.FromMilliseconds(20);

    private readonly Process process;

    private WireProxy(Process process, int port) => (this.process, Port) = (process, port);

    public int Port { get; }

    /// <param name="probe">The program that is the proxy.</param>
    /// <param name="port">Port of the store.</param>
    /// <param name="bytesPerSecond">Limit of each connection and direction; 0 = none.</param>
    public static async Task<WireProxy> StartAsync(Probe probe, int port, double bytesPerSecond = 0)
    {
        Process process = probe.StartProxy(port, Latency, bytesPerSecond);
        string line = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the proxy did not start");
        return new WireProxy(process, int.Parse(line, CultureInfo.InvariantCulture));
    }

    /// <summary>What has passed since the last call.</summary>
    public async Task<WireCounts> TakeCountsAsync()
    {
        await process.StandardInput.WriteLineAsync();
        await process.StandardInput.FlushAsync();
        string line = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the proxy has ended: " + await process.StandardError.ReadToEndAsync());
        long[] n = [.. line.Split(' ').Select(word => long.Parse(word, CultureInfo.InvariantCulture))];
        return new WireCounts(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8]);
    }

    public async ValueTask DisposeAsync()
    {
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        process.Dispose();
    }
}

/// <summary>What passed a <see cref="WireProxy"/>: connections opened, most at a time, requests by kind, bytes.</summary>
internal readonly record struct WireCounts(
    long Connections, long Peak, long Requests, long Lists, long Gets, long Heads, long Writes, long BytesUp, long BytesDown);
