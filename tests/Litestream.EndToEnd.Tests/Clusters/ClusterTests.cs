using System.Diagnostics;
using System.Globalization;
using Litestream.TestKit.Databases;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests.Clusters;

/// <summary>
/// Nodes of the store are killed with SIGKILL and started again while an application writes and the daemon replicates. The daemon must stay, and what
/// the application was told is committed must come back page by page. Three kills for each store; <c>NODE_KILLS=20</c> for more.
/// </summary>
[Collection(AloneCollection.Name)]
public sealed class ClusterTests(ITestOutputHelper output)
{
    /// <summary>Transactions that must come to the replica between any two events.</summary>
    private const int Progress = 5;

    private static readonly int Kills = int.TryParse(Environment.GetEnvironmentVariable("NODE_KILLS"), CultureInfo.InvariantCulture, out int kills) ? kills : 3;

    [Fact]
    public Task Killed_object_stores_of_ceph_lose_nothing() => RunAsync(CephStore.StartAsync);

    [Fact]
    public Task Killed_nodes_of_nats_lose_nothing() => RunAsync(NatsStore.StartAsync);

    private async Task RunAsync(Func<Task<IStoreCluster>> startAsync)
    {
        await using IStoreCluster cluster = await startAsync();
        using var scene = new ClusterScene(cluster);
        await using WorkloadProcess application = await WorkloadProcess.StartAsync(
            "random", "--db", scene.Database, "--ack-log", scene.Acknowledged, "--connections", "2", "--rate", "20");
        await using DaemonProcess daemon = scene.StartDaemon();
        var longest = TimeSpan.Zero;
        for (int kill = 0; kill < Kills; kill++)
        {
            await scene.ProgressAsync(daemon, Progress);
            int node = await cluster.ChooseAsync(kill);
            cluster.Kill(node);
            long began = Stopwatch.GetTimestamp();
            await scene.ProgressAsync(daemon, Progress);
            TimeSpan progressed = Stopwatch.GetElapsedTime(began);
            longest = progressed > longest ? progressed : longest;
            await cluster.RestartAsync(node);
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"kill {kill + 1}, node {node}: {Progress} transactions after {progressed.TotalSeconds:0.0} s, caught up after {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s"));
        }

        await scene.ProgressAsync(daemon, Progress);
        await application.StopAsync();
        int code = await daemon.StopAsync();
        Assert.True(code == 0, $"exit code {code} after SIGTERM{Environment.NewLine}{daemon.Output}");
        int pages = await scene.AssertRestoresAsync();
        long commits = AckLog.Read(scene.Acknowledged).Values.Sum();
        Assert.True(commits > 0, "the application has committed nothing");
        foreach (string line in daemon.Lines.Where(line => line.Contains("level=WARN", StringComparison.Ordinal)).Take(20))
        {
            output.WriteLine(line);
        }

        int errors = daemon.Lines.Count(line => line.Contains("level=ERROR", StringComparison.Ordinal));
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{Kills} kills, {commits} commits, {pages} pages equal, {Progress} transactions after a kill took at most {longest.TotalSeconds:0.0} s, a listing {scene.LongestRead.TotalSeconds:0.0} s, {errors} errors logged"));
        scene.Succeeded();
    }
}
