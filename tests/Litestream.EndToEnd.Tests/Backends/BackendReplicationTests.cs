using System.Globalization;
using Litestream.TestKit.Databases;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.EndToEnd.Tests.Backends;

/// <summary>The life of a replica in every kind of store: an ordinary application writes, the daemon is killed in the middle, and what comes back is the source.</summary>
public sealed class BackendReplicationTests(BackendServers servers)
{
    public static TheoryData<string> Stores => BackendServers.All;

    /// <summary>Swift answers 501 to conditional writes: there a warning is all there is.</summary>
    public static TheoryData<string> Conditional => [.. TestStore.Names.Where(name => name != "s3-swift")];

    [Theory]
    [MemberData(nameof(Stores))]
    public async Task A_killed_daemon_goes_on_and_every_point_comes_back(string name)
    {
        TestStore store = await servers.GetAsync(name);
        using var scene = new BackendScene(store, await store.CreatePlaceAsync());
        await using (WorkloadProcess application = await WorkloadProcess.StartAsync(
            "random", "--db", scene.Database, "--rate", "60", "--ack-log", scene.Acknowledged, "--progress"))
        {
            await using (DaemonProcess killed = scene.StartDaemon())
            {
                await scene.WaitForFileAsync();
                await WaitForMoreAsync(application, 20);
                await killed.KillAsync();
            }

            await WaitForMoreAsync(application, 10);
            await using DaemonProcess daemon = scene.StartDaemon();
            await daemon.WaitForLineAsync(IsOpen);
            await WaitForMoreAsync(application, 20);
            await application.StopAsync();
            await scene.SqlAsync("CREATE TABLE point(n); INSERT INTO point VALUES(1)");
            Assert.True(await daemon.StopAsync() == 0, daemon.Output);
            if (!store.CreatesConditionally)
            {
                Assert.Contains("no conditional writes", daemon.Output, StringComparison.Ordinal);
            }
        }

        await scene.AssertRestoresAsync();
        string first = await scene.NewestTxidAsync();

        // Header times are the capture's, and the capture is over: a time after it and before the next commit.
        string between = DateTimeOffset.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        await scene.SqlAsync("INSERT INTO point VALUES(2)");
        await scene.RunOkAsync("replicate", "-config", scene.Configuration, "-once");
        await scene.AssertRestoresAsync();
        string latest = await scene.RestoreAsync();
        Assert.Equal("2", await scene.SqlAsync("SELECT count(*) FROM point", latest));
        string? missing = AckLog.Missing(latest, AckLog.Read(scene.Acknowledged));
        Assert.True(missing is null, missing);
        Assert.Equal("1", await scene.SqlAsync("SELECT group_concat(n) FROM point", await scene.RestoreAsync("-txid", first)));
        Assert.Equal("1", await scene.SqlAsync("SELECT group_concat(n) FROM point", await scene.RestoreAsync("-timestamp", between)));
        await scene.RunOkAsync("points", "-config", scene.Configuration, scene.Database);
        await scene.RunOkAsync("verify", "-config", scene.Configuration, scene.Database);
        scene.Succeeded();
    }

    // No lock file can tell: each has a state directory of its own, as on two machines.
    [Theory]
    [MemberData(nameof(Conditional))]
    public async Task The_second_of_two_daemons_stops_and_the_replica_is_whole(string name)
    {
        TestStore store = await servers.GetAsync(name);
        using var scene = new BackendScene(store, await store.CreatePlaceAsync());
        string other = scene["other.yml"];
        scene.WriteConfiguration(other, scene["other-state"], []);
        await using DaemonProcess first = scene.StartDaemon();
        await using DaemonProcess second = scene.StartDaemon(other);
        await using (WorkloadProcess application = await WorkloadProcess.StartAsync(
            "random", "--db", scene.Database, "--rate", "20", "--ack-log", scene.Acknowledged))
        {
            await Task.WhenAny(first.WaitForLineAsync(IsSecond), second.WaitForLineAsync(IsSecond)).Unwrap();
            await application.StopAsync();
        }

        int[] codes = [await first.StopAsync(), await second.StopAsync()];
        int loser = first.Lines.Any(IsSecond) ? 0 : 1;
        Assert.True(codes[loser] != 0 && codes[1 - loser] == 0, $"{codes[0]} {codes[1]}\n{first.Output}\n\n{second.Output}");
        await scene.RunOkAsync("verify", "-config", loser == 0 ? other : scene.Configuration, scene.Database);
        await scene.AssertRestoresAsync();
        scene.Succeeded();

        static bool IsSecond(string line) => line.Contains("second writer", StringComparison.Ordinal);
    }

    private static bool IsOpen(string line) => line.Contains("replicating to", StringComparison.Ordinal);

    private static async Task WaitForMoreAsync(WorkloadProcess application, int commits)
    {
        int seen = application.LineCount;
        await application.WaitForLineAsync(_ => application.LineCount >= seen + commits, seen);
    }
}
