using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>
/// Two daemons with state directories of their own on one replica, which no lock file can tell (decision D35; the fixture
/// <c>two-writers</c> shows what that did to a released program): the later writer stops with a message, and nothing is damaged.
/// </summary>
[Collection(AloneCollection.Name)]
public class TwoDaemonsTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_second_writer_stops_and_the_replica_is_proven_afterwards(bool firstKnowsTheReplica)
    {
        using Scene scene = new(replicaSettings: ["sync-interval: 100ms"]);
        string other = scene["other.yml"];
        File.WriteAllText(other, File.ReadAllText(scene.Configuration).Replace("    replica:", $"    meta-path: {scene["other-state"]}\n    replica:", StringComparison.Ordinal));
        await using (WorkloadProcess before = await WorkloadProcess.StartAsync("random", "--db", scene.Database, "--seconds", "1", "--ack-log", scene.Acknowledged))
        {
            Assert.Equal(0, await before.WaitForExitAsync());
        }

        await scene.ReplicateOnceAsync();
        string[] order = firstKnowsTheReplica ? [scene.Configuration, other] : [other, scene.Configuration];
        await using DaemonProcess first = DaemonProcess.Start("-config", order[0]);
        await using DaemonProcess second = DaemonProcess.Start("-config", order[1]);

        // Both have compared with the replica before the application goes on: a daemon that comes later would only continue.
        await Task.WhenAll(first.WaitForLineAsync(IsOpen), second.WaitForLineAsync(IsOpen));
        await using (WorkloadProcess application = await WorkloadProcess.StartAsync(
            "random", "--db", scene.Database, "--seconds", "4", "--ack-log", scene.Acknowledged))
        {
            Assert.Equal(0, await application.WaitForExitAsync());
        }

        int[] codes = [await first.StopAsync(), await second.StopAsync()];
        string[] outputs = [first.Output, second.Output];
        int loser = Array.FindIndex(outputs, output => output.Contains("second writer on this replica", StringComparison.Ordinal));
        Assert.True(loser >= 0, $"no daemon noticed the other\n{outputs[0]}\n\n{outputs[1]}");
        Assert.NotEqual(0, codes[loser]);
        Assert.Equal(0, codes[1 - loser]);
        CliResult verified = await Cli.RunAsync(["verify", "-deep", "file://" + scene.Replica]);
        Assert.True(verified.ExitCode == 0, verified.StandardOutput + verified.StandardError);
        await scene.AssertRestoresAsync();
        scene.AssertApplicationCommitted();
        scene.Succeeded();
    }

    private static bool IsOpen(string line) => line.Contains("replicating to", StringComparison.Ordinal);
}
