using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>Traps A13 and A26 on a real full disk: said clearly, nothing lost, goes on by itself when there is space again.</summary>
public class DiskFullTests
{
    [Fact]
    public async Task Trap_A26_State_directory_on_a_full_disk()
    {
        using Scene scene = new(["meta-path: ROOT/disk/state", "monitor-interval: 50ms"], ["sync-interval: 50ms"]);
        await RunAsync(scene, line => line.Contains("disk full while staging ltx file", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Trap_A26_Replica_on_a_full_disk()
    {
        using Scene scene = new(["monitor-interval: 50ms"], ["sync-interval: 50ms", "path: ROOT/disk/replica"]);
        await RunAsync(scene, line => line.Contains("level=ERROR", StringComparison.Ordinal) && line.Contains("space", StringComparison.Ordinal), scene["disk/replica"]);
    }

    private static async Task RunAsync(Scene scene, Func<string, bool> complaint, string? replica = null)
    {
        string[] lines = [.. File.ReadAllLines(scene.Configuration).Where(line => replica is null || line.Trim() != $"path: {scene.Replica}")];
        File.WriteAllLines(scene.Configuration, lines.Select(line => line.Replace("ROOT", scene.Root, StringComparison.Ordinal)));
        using SmallDisk? disk = await SmallDisk.MountAsync(scene["disk"]);
        Assert.SkipWhen(disk is null, "mounting a small file system is not permitted here");

        await using WorkloadProcess application = await WorkloadProcess.StartAsync(
            "random", "--db", scene.Database, "--rate", "50", "--ack-log", scene.Acknowledged, "--progress");
        await using DaemonProcess daemon = scene.StartDaemon();
        string levelZero = Path.Combine(replica ?? scene.Replica, "ltx", "0");
        await FileWait.UntilAsync(scene.Root, () => Directory.Exists(levelZero) && Directory.GetFiles(levelZero, "*.ltx").Length > 0, "the first L0 file");
        disk.Fill();
        await daemon.WaitForLineAsync(complaint);

        // The application goes on: it does not write to that disk.
        int seen = application.LineCount;
        await application.WaitForLineAsync(line => line.StartsWith("ack ", StringComparison.Ordinal), seen);
        disk.Free();
        await daemon.WaitForLineAsync(line => line.Contains("sync recovered", StringComparison.Ordinal));
        await application.StopAsync();
        Assert.Equal(0, await daemon.StopAsync());
        if (replica is not null)
        {
            Directory.Delete(scene.Replica, recursive: true);
            await Cli.RunProgramAsync("cp", "-a", replica, scene.Replica);
        }

        await scene.AssertRestoresAsync();
        scene.Succeeded();
    }
}
