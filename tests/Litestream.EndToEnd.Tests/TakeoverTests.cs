using Litestream.TestKit.Databases;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>
/// Real Litestream 0.5.17 stopped or killed at these instants, ours started on what it left: the replica must end with the source's
/// content, and continue incrementally where the WAL still fits.
/// </summary>
public class TakeoverTests
{
    /// <summary>The names alone.</summary>
    public static TheoryData<string> Names => [.. Cases.Select(row => row.Data.Item1)];

    /// <summary>Cases, and whether a full copy is needed: the WAL no longer holds everything since the last L0 file, or nobody can prove it.</summary>
    public static TheoryData<string, bool> Cases => new()
    {
        { "takeover-clean", false },
        { "takeover-clean-appclosed", false },
        { "takeover-kill", false },
        { "takeover-kill-ckpt", false },
        { "takeover-local-ahead", false },
        { "takeover-spill", false },
        { "gap-idle", false },
        { "gap-writes", false },
        { "gap-nometa", false },
        { "gap-truncate", true },
        { "gap-truncate-nowrite", true },
        { "gap-restart-few", true },
        { "gap-restart-many", true },
        { "gap-rollback-mode", true },
        { "gap-reopen", true },
        { "gap-pagesize", true },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Trap_B1_B6_Taking_over_a_state_of_the_released_program(string name, bool fullCopy)
    {
        using TakenOver scene = new(name);
        Dictionary<string, string> before = scene.ReplicaFiles();
        string log = await scene.RunDaemonAsync();
        await scene.AssertSourceIsRestoredAsync();

        List<LtxFile> added = scene.AddedLevelZero(before);
        bool tookCopy = added.Any(file => file.IsFullCopy);
        Assert.True(fullCopy == tookCopy, $"{(fullCopy ? "a full copy was needed" : "an increment was enough")}; new files: {string.Join(", ", added)}{Environment.NewLine}{log}");
        if (fullCopy)
        {
            Assert.Contains(log.Split('\n'), line => line.Contains("reason=", StringComparison.Ordinal) || line.Contains("reason\":", StringComparison.Ordinal));
        }

        // What others wrote stays as it is: point-in-time restores of the past depend on it.
        Dictionary<string, string> after = scene.ReplicaFiles();
        Assert.All(before, file => Assert.Equal(file.Value, after.GetValueOrDefault(file.Key)));
    }

    // The state must also be good for going on: one more transaction after the takeover.
    [Theory]
    [MemberData(nameof(Names))]
    public async Task One_more_transaction_after_the_takeover_is_replicated(string name)
    {
        using TakenOver scene = new(name);
        await scene.RunDaemonAsync();
        CliResult write = await Cli.RunProgramAsync("sqlite3", scene.Database, "CREATE TABLE more(a); INSERT INTO more VALUES (randomblob(3000));");
        Assert.Equal((0, ""), (write.ExitCode, write.StandardError));
        Dictionary<string, string> before = scene.ReplicaFiles();
        await scene.RunDaemonAsync();
        string restored = await scene.RestoreAsync();
        Assert.Null(PageDigest.Of(scene.Database).Difference(PageDigest.OfFile(restored)));
        Assert.NotEmpty(scene.AddedLevelZero(before));
    }
}
