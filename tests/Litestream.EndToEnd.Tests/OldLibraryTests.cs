using System.Globalization;
using Litestream.Sqlite;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>
/// Applications whose SQLite has the WAL-reset bug (replication §17, §8.7 rule 5). <c>OLD_LIBRARY_RUNS=48</c> sets the number of runs
/// with the daemon (2 by default).
/// </summary>
public class OldLibraryTests
{
    private const int SecondsPerRun = 4;

    private static readonly int Runs =
        Environment.GetEnvironmentVariable("OLD_LIBRARY_RUNS") is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : 2;

    // First the instrument: without a replicator these applications corrupt their database. If they did not, the rest would prove nothing.
    [Fact]
    public async Task Trap_A32_The_daemon_does_not_set_off_the_bug_of_old_applications()
    {
        using Scene tools = new();
        Directory.CreateDirectory(tools["old"]);
        string application = await OldApplication.PrepareAsync(tools["old"]);
        CliResult version = await Cli.RunProgramAsync(application, "version");
        Assert.Equal("3.40.0", version.StandardOutput.Trim());

        bool struck = false;
        for (int run = 0; run < 5 && !struck; run++)
        {
            using Scene alone = new();
            struck = await RunApplicationsAsync(application, alone, run) is { Count: > 0 };
            alone.Succeeded();
        }

        Assert.True(struck, "the old library did not corrupt a database in 5 runs without a replicator: the test proves nothing");
        for (int run = 0; run < Runs; run++)
        {
            using Scene scene = new();
            // The database is there and locked before the applications begin: until then their bug can strike by itself.
            await Cli.RunProgramAsync("sqlite3", scene.Database, "PRAGMA journal_mode=wal; CREATE TABLE first(v); INSERT INTO first VALUES (1);");
            await using DaemonProcess daemon = scene.StartDaemon();
            await FileWait.UntilAsync(scene.Root, () => scene.CountLevelZero() > 0, "the first level-0 file");
            IReadOnlyList<string> problems = await RunApplicationsAsync(application, scene, 100 + run);
            Assert.True(await daemon.StopAsync() == 0, daemon.Output);
            Assert.True(problems.Count == 0, $"run {run}: {string.Join("; ", problems.Take(3))}");
            await scene.AssertRestoresAsync();
            scene.AssertApplicationCommitted();
            scene.Succeeded();
        }

        tools.Succeeded();
    }

    private static async Task<IReadOnlyList<string>> RunApplicationsAsync(string program, Scene scene, int seed)
    {
        var processes = new List<WorkloadProcess>();
        try
        {
            for (int i = 0; i < 3; i++)
            {
                processes.Add(await WorkloadProcess.StartProgramAsync(program,
                    "random", "--db", scene.Database, "--writer", Text(i), "--seed", Text((seed * 10) + i), "--auto-checkpoint", "20",
                    "--seconds", Text(SecondsPerRun), "--ack-log", scene.Acknowledged));
            }

            for (int i = 0; i < 2; i++)
            {
                processes.Add(await WorkloadProcess.StartProgramAsync(program,
                    "hostile", "--db", scene.Database, "--mode", "PASSIVE", "--min-ms", "0", "--max-ms", "3", "--seconds", Text(SecondsPerRun)));
            }

            bool failed = false;
            foreach (WorkloadProcess process in processes)
            {
                // A writer that meets the damage ends with an error; that is a result here.
                failed |= await process.WaitForExitAsync() != 0;
            }

            return failed ? [string.Join(Environment.NewLine, processes.SelectMany(process => process.Lines))] : Check(scene.Database);
        }
        finally
        {
            await Task.WhenAll(processes.Select(process => process.DisposeAsync().AsTask()));
        }
    }

    // On a copy: the check's close would checkpoint, and the daemon still holds the database.
    private static IReadOnlyList<string> Check(string database)
    {
        string folder = Directory.CreateDirectory(database + ".check").FullName;
        foreach (string suffix in (string[])["", "-wal"])
        {
            if (File.Exists(database + suffix))
            {
                File.Copy(database + suffix, Path.Combine(folder, "app.db" + suffix));
            }
        }

        return DatabaseCheck.Run(Path.Combine(folder, "app.db"), DatabaseCheckMode.Full, CancellationToken.None);
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
