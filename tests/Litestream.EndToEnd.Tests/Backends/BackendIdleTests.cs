using System.Diagnostics;
using System.Globalization;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.EndToEnd.Tests.Backends;

/// <summary>
/// An idle database costs nothing: no request for a minute on a real gateway (decision D42). <c>IDLE_SECONDS=600</c> looks for ten.
/// </summary>
public sealed class BackendIdleTests(BackendServers servers)
{
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("IDLE_SECONDS"), CultureInfo.InvariantCulture, out int seconds) ? seconds : 60);

    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task An_idle_database_on_s3_makes_no_request()
    {
        TestStore store = await servers.GetAsync("s3");
        await using FaultProxy proxy = FaultProxy.Start(store.Server!.Port);
        var place = new Dictionary<string, string>(await store.CreatePlaceAsync()) { ["endpoint"] = $"http://127.0.0.1:{proxy.Port}" };
        using var scene = new BackendScene(store, place, ["levels:", "  - interval: 1s", "  - interval: 5s", "l0-retention: 1s", "l0-retention-check-interval: 1s"]);
        await scene.SqlAsync("PRAGMA journal_mode=wal; CREATE TABLE t(n); INSERT INTO t VALUES(1)");
        await using DaemonProcess daemon = scene.StartDaemon();
        await daemon.WaitForLineAsync(line => line.Contains("replicating to", StringComparison.Ordinal));
        await scene.SqlAsync("INSERT INTO t VALUES(2)");
        long began = Stopwatch.GetTimestamp();
        int before = -1;
        while (proxy.Exchanges.Count != before)
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromMinutes(3), "does not settle");
            before = proxy.Exchanges.Count;
            await Task.Delay(Quiet);
        }

        await Task.Delay(Idle);
        Assert.Equal([], proxy.Exchanges.Skip(before).Select(one => $"{one.Method} {one.Target}"));

        // Not because it was dead: the next change goes out, and is there.
        Assert.Contains(proxy.Exchanges, one => one.Method == "PUT");
        await scene.SqlAsync("INSERT INTO t VALUES(3)");
        Assert.True(await daemon.StopAsync() == 0, daemon.Output);
        await scene.AssertRestoresAsync();
        scene.Succeeded();
    }
}
