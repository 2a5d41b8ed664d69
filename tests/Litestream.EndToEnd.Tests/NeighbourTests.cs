using System.Diagnostics;
using Litestream.Sqlite;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>What other processes on the database do to replication: checkpoints of every mode, and readers that stay for long.</summary>
[Collection(AloneCollection.Name)]
public class NeighbourTests
{
    // Commits that land between our capture and somebody's checkpoint must not fall out, and every moment must be restorable.
    [Theory]
    [InlineData("PASSIVE")]
    [InlineData("FULL")]
    [InlineData("RESTART")]
    [InlineData("TRUNCATE")]
    public async Task Trap_A24_Commits_around_foreign_checkpoints_survive(string mode)
    {
        using Scene scene = new(["min-checkpoint-page-count: 30"], ["sync-interval: 20ms"]);
        await using DaemonProcess daemon = scene.StartDaemon();
        await using WorkloadProcess application = await WorkloadProcess.StartAsync(
            "random", "--db", scene.Database, "--connections", "2", "--auto-checkpoint", "20", "--seconds", "3", "--ack-log", scene.Acknowledged);
        await using WorkloadProcess checkpoints = await WorkloadProcess.StartAsync(
            "hostile", "--db", scene.Database, "--mode", mode, "--min-ms", "0", "--max-ms", "20", "--seconds", "3");
        await FileWait.UntilAsync(scene.Replica, () => scene.CountLevelZero() > 0, "the first L0 file");
        do
        {
            string restored = await scene.RestoreAsync();
            Assert.Empty(DatabaseCheck.Run(restored, DatabaseCheckMode.Full, CancellationToken.None));
        }
        while (!application.HasExited);

        Assert.True(await application.WaitForExitAsync() == 0, application.Output);
        Assert.Equal(0, await checkpoints.WaitForExitAsync());
        Assert.Equal(0, await daemon.StopAsync());
        await scene.AssertRestoresAsync();
        scene.AssertApplicationCommitted();
        scene.Succeeded();
    }

    // Behind a reader nothing can be backfilled. Trying all the same made one file per tick (B7) and blocked writers (A5).
    [Fact]
    public async Task Trap_C15_A_long_reader_makes_the_WAL_grow_and_nothing_else()
    {
        using Scene scene = new(
            ["min-checkpoint-page-count: 10", "truncate-page-n: 40", "monitor-interval: 20ms"], ["sync-interval: 20ms"]);
        await RunAsync(scene, "--commits", "20");
        await using DaemonProcess daemon = scene.StartDaemon();
        await FileWait.UntilAsync(scene.Replica, () => scene.CountLevelZero() > 0, "the first L0 file");
        await using (ChildProcess reader = await OpenReaderAsync(scene.Database))
        {
            // No busy timeout: a write lock of ours, or a TRUNCATE that waits for the reader, would show as SQLITE_BUSY.
            string figures = await RunAsync(scene, "--commits", "600", "--rate", "400", "--busy-timeout", "0");
            Assert.Contains("\"busy\":0,", figures, StringComparison.Ordinal);
            long grown = new FileInfo(scene.Database + "-wal").Length;
            Assert.True(grown > 600 * 4096, $"the WAL has {grown} bytes");

            // Quiet, except for the reader. Two hundred ticks would be two hundred files.
            await scene.RestoreAsync();
            int files = scene.CountLevelZero();
            await IdleFor(TimeSpan.FromSeconds(2), daemon);
            Assert.InRange(scene.CountLevelZero(), files, files + 2);
        }

        // The reader has gone: the file comes down again while commits go on.
        await using WorkloadProcess application = await WorkloadProcess.StartAsync(
            "steady", "--db", scene.Database, "--rate", "100", "--ack-log", scene.Acknowledged);
        await FileWait.UntilAsync(scene.Root, () => new FileInfo(scene.Database + "-wal").Length < 600 * 4096, "the WAL shrinks");
        await application.StopAsync();
        Assert.Equal(0, await daemon.StopAsync());
        await scene.AssertRestoresAsync("line");
        scene.Succeeded();
    }

    private static async Task<ChildProcess> OpenReaderAsync(string database)
    {
        var reader = new ChildProcess("sqlite3", ["-batch", database]);
        reader.Send("BEGIN; SELECT 'reading', count(*) FROM line;");
        await reader.WaitForLineAsync(line => line.StartsWith("reading", StringComparison.Ordinal));
        return reader;
    }

    // The one thing that cannot be awaited is that nothing happens.
    private static async Task IdleFor(TimeSpan time, ChildProcess alive)
    {
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < time)
        {
            Assert.False(alive.HasExited, alive.Output);
            await Task.Delay(100);
        }
    }

    private static async Task<string> RunAsync(Scene scene, params string[] arguments)
    {
        CliResult result = await Cli.RunProgramAsync(
            Checkout.Workload, ["steady", "--db", scene.Database, "--ack-log", scene.Acknowledged, .. arguments]);
        Assert.True(result.ExitCode == 0, result.StandardError);
        return result.StandardOutput;
    }
}
