using Litestream.TestKit.Processes;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.EndToEnd.Tests.Backends;

/// <summary>A store that does not answer at the start is waited for: a daemon must not end because a machine beside it starts later (decision D10).</summary>
public sealed class BackendDownTests(BackendServers servers)
{
    public static TheoryData<string> Networked => [.. TestStore.Names.Where(name => name != "file"), "abs-sas"];

    [Theory]
    [MemberData(nameof(Networked))]
    public async Task A_store_that_is_down_at_the_start_is_waited_for(string name)
    {
        TestStore store = await servers.GetAsync(name);
        await using var relay = new TcpRelay(store.Server!.Port);
        (string, string) change = ($"127.0.0.1:{store.Server.Port}", $"127.0.0.1:{relay.Port}");
        using var scene = new BackendScene(store, Changed(await store.CreatePlaceAsync()));
        scene.Environment = Changed(scene.Environment);
        await scene.SqlAsync("PRAGMA journal_mode=wal; CREATE TABLE t(n); INSERT INTO t VALUES(1)");
        await using DaemonProcess daemon = scene.StartDaemon(null, "-log-level", "trace");
        await daemon.WaitForLineAsync(line => line.Contains("replica does not answer yet", StringComparison.Ordinal));
        relay.Open();
        await scene.WaitForFileAsync();
        Assert.True(await daemon.StopAsync() == 0, daemon.Output);
        await scene.AssertRestoresAsync();

        // Failing requests are what a log says most about.
        BackendSecretTests.AssertHidden(store, [daemon.Output, .. scene.Outputs]);
        scene.Succeeded();

        Dictionary<string, string> Changed(IReadOnlyDictionary<string, string> values) =>
            values.ToDictionary(pair => pair.Key, pair => pair.Value.Replace(change.Item1, change.Item2, StringComparison.Ordinal));
    }
}
