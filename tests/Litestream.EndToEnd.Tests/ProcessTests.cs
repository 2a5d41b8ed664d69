using Litestream.TestKit.Databases;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>The process as an init system or a shell sees it: signals, <c>-once</c>, <c>-exec</c>.</summary>
public class ProcessTests
{
    [Theory]
    [InlineData(ChildProcess.Terminate)]
    [InlineData(ChildProcess.Interrupt)]
    public async Task First_signal_ends_with_a_final_sync(int signal)
    {
        // An upload interval far away: only the final sync can have shipped the commits.
        using Scene scene = new(replicaSettings: ["sync-interval: 1h"]);
        await using WorkloadProcess application = await StartAsync(scene);
        await using DaemonProcess daemon = scene.StartDaemon();
        await FileWait.UntilAsync(scene.Replica, () => scene.CountLevelZero() > 0, "the first L0 file");
        await WaitForAckAsync(application, 50);
        await application.PauseAsync();
        daemon.Signal(signal);
        Assert.Equal(0, await daemon.WaitForExitAsync());
        await scene.AssertRestoresAsync("line");
        scene.Succeeded();
    }

    // Trap B45 of the command line: however early after the start the signal comes, the database is synced once.
    [Fact]
    public async Task Trap_B45_A_signal_at_once_still_syncs()
    {
        using Scene scene = new();
        await WriteAsync(scene, commits: 20);
        await using DaemonProcess daemon = scene.StartDaemon();
        await daemon.WaitForLineAsync(line => line.Contains("replicating to", StringComparison.Ordinal));
        int code = await daemon.StopAsync();
        Assert.True(code == 0, $"exit code {code}{Environment.NewLine}{daemon.Output}");
        await scene.AssertRestoresAsync("line");
        scene.Succeeded();
    }

    [Fact]
    public async Task Trap_A15_Second_signal_ends_the_retries()
    {
        using Scene scene = new();
        await WriteAsync(scene, commits: 20);
        await using DaemonProcess daemon = scene.StartDaemon();
        await FileWait.UntilAsync(scene.Replica, () => scene.CountLevelZero() > 0, "the first L0 file");

        // The replica becomes unwritable: a file stands where its directory was. Retries would last 30 s.
        Directory.Move(scene.Replica, scene["away"]);
        File.WriteAllText(scene.Replica, "");
        await WriteAsync(scene, commits: 20, seed: 2);
        daemon.Signal(ChildProcess.Interrupt);
        await daemon.WaitForLineAsync(line => line.Contains("shutdown sync failed", StringComparison.Ordinal));
        daemon.Signal(ChildProcess.Interrupt);
        await daemon.WaitForExitAsync();
        Assert.DoesNotContain(daemon.Lines, line => line.Contains("shutdown sync timeout", StringComparison.Ordinal));

        File.Delete(scene.Replica);
        Directory.Move(scene["away"], scene.Replica);
        await scene.ReplicateOnceAsync();
        await scene.AssertRestoresAsync("line");
        scene.Succeeded();
    }

    [Fact]
    public async Task Once_ships_everything_and_ends()
    {
        using Scene scene = new();
        await using WorkloadProcess application = await StartAsync(scene);
        for (int round = 1; round <= 3; round++)
        {
            await WaitForAckAsync(application, 30 * round);
            await application.PauseAsync();
            await scene.ReplicateOnceAsync();
            await scene.AssertRestoresAsync("line");
            Assert.Equal(round, scene.CountLevelZero());
            application.Resume();
        }

        // Nothing new, nothing written: an idle database costs no file, however often a timer runs this.
        await application.PauseAsync();
        await scene.ReplicateOnceAsync();
        int files = scene.CountLevelZero();
        await scene.ReplicateOnceAsync();
        Assert.Equal(files, scene.CountLevelZero());
        scene.Succeeded();
    }

    // The child is the application: when it ends, what it wrote is shipped and its success is ours.
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task Exec_ships_what_the_child_wrote(int childCode)
    {
        using Scene scene = new();
        string child = $"sh -c \"{Checkout.Workload} steady --db {scene.Database} --commits 25 --ack-log {scene.Acknowledged}; exit {childCode}\"";
        await using DaemonProcess daemon = scene.StartDaemon("-exec", child);
        int code = await daemon.WaitForExitAsync();
        Assert.True((code == 0) == (childCode == 0), daemon.Output);
        Assert.Equal(25, AckLog.Read(scene.Acknowledged)[0]);
        await scene.AssertRestoresAsync("line");
        scene.Succeeded();
    }

    // Each of these libraries costs megabytes for as long as the process lives, and the stores that need them are not in use.
    [Fact]
    public async Task A_directory_replica_loads_no_library_of_the_network()
    {
        using Scene scene = new();
        await WriteAsync(scene, commits: 20);
        await using DaemonProcess daemon = scene.StartDaemon();
        await FileWait.UntilAsync(scene.Replica, () => scene.CountLevelZero() > 0, "the first L0 file");
        string maps = await File.ReadAllTextAsync($"/proc/{daemon.Id}/maps");
        Assert.Contains("libc.so", maps, StringComparison.Ordinal);
        Assert.DoesNotContain("libssl", maps, StringComparison.Ordinal);
        Assert.DoesNotContain("libcrypto", maps, StringComparison.Ordinal);
        Assert.DoesNotContain("libgssapi", maps, StringComparison.Ordinal);
        Assert.DoesNotContain("libicu", maps, StringComparison.Ordinal);
        Assert.Equal(0, await daemon.StopAsync());
        scene.Succeeded();
    }

    [Fact]
    public async Task A_database_that_appears_later_is_picked_up()
    {
        using Scene scene = new();
        await using DaemonProcess daemon = scene.StartDaemon();
        await daemon.WaitForLineAsync(line => line.Contains("replicating to", StringComparison.Ordinal));
        await WriteAsync(scene, commits: 10);
        await FileWait.UntilAsync(scene.Replica, () => scene.CountLevelZero() > 0, "the first L0 file");
        Assert.Equal(0, await daemon.StopAsync());
        await scene.AssertRestoresAsync("line");
        scene.Succeeded();
    }

    [Fact]
    public async Task Trap_C9_A_second_writer_on_the_same_replica_stops_and_says_so()
    {
        using Scene scene = new();
        await WriteAsync(scene, commits: 10);
        await scene.ReplicateOnceAsync();

        // The same replica, but another database: both want to write the next TXID.
        string other = scene["other.db"];
        await RunWorkloadAsync("--db", other, "--commits", "10");
        await using WorkloadProcess application = await StartAsync(scene);
        await using DaemonProcess first = scene.StartDaemon();
        int files = scene.CountLevelZero();
        await FileWait.UntilAsync(scene.Replica, () => scene.CountLevelZero() > files, "the first writer's next file");
        await using DaemonProcess second = DaemonProcess.Start(other, "file://" + scene.Replica);
        await using WorkloadProcess otherApplication = await WorkloadProcess.StartAsync("steady", "--db", other, "--rate", "200");
        string line = await Task.WhenAny(
            first.WaitForLineAsync(IsSecondWriter),
            second.WaitForLineAsync(IsSecondWriter)).Unwrap();
        Assert.Contains(scene.Replica, line, StringComparison.Ordinal);
        await Task.WhenAll(application.KillAsync(), otherApplication.KillAsync(), first.KillAsync(), second.KillAsync());

        // Never a mixture: every L0 file is whole.
        foreach (string path in Directory.GetFiles(scene.LevelZero, "*.ltx"))
        {
            await LtxFile.ReadAsync(path);
        }

        scene.Succeeded();
    }

    private static bool IsSecondWriter(string line) => line.Contains("second writer", StringComparison.Ordinal);

    private static Task<WorkloadProcess> StartAsync(Scene scene) =>
        WorkloadProcess.StartAsync("steady", "--db", scene.Database, "--rate", "200", "--ack-log", scene.Acknowledged, "--progress");

    private static Task WaitForAckAsync(WorkloadProcess application, int n) => application.WaitForCommitAsync(0, n);

    private static Task WriteAsync(Scene scene, int commits, int seed = 1) => RunWorkloadAsync(
        "--db", scene.Database, "--commits", commits.ToString(System.Globalization.CultureInfo.InvariantCulture),
        "--seed", seed.ToString(System.Globalization.CultureInfo.InvariantCulture), "--ack-log", scene.Acknowledged);

    private static async Task RunWorkloadAsync(params string[] arguments)
    {
        CliResult result = await Cli.RunProgramAsync(Checkout.Workload, ["steady", .. arguments]);
        Assert.True(result.ExitCode == 0, result.StandardError);
    }
}
