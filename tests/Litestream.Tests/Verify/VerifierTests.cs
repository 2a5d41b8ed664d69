using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Verify;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Verify;

/// <summary>Rolling shares, races with a running daemon, and what is not damage.</summary>
public sealed class VerifierTests
{
    public static TheoryData<string> HealthyCases =>
    [
        "levels", "levels-pruned", "gap-pagesize", "shrink", "mixed-era", "upgrade-chain", "truncate-threshold", "auto-vacuum-full", "page-size-65536", "chunked-sync",
    ];

    [Theory]
    [MemberData(nameof(HealthyCases))]
    public async Task A_healthy_replica_of_another_program_raises_no_false_alarm(string name)
    {
        using VerifyScene scene = VerifyScene.Of(name + "/replica");
        VerifyReport report = await scene.VerifyAsync();
        Assert.Equal(("proven", report.Newest), (report.Result, report.Proven));
        Assert.Equal((scene.AllFiles.Length, scene.AllFiles.Sum(file => new FileInfo(file).Length)), (report.FilesRead, report.BytesRead));
        Assert.NotNull(await scene.RestoreAsync(report.Proven));
    }

    [Fact]
    public async Task An_empty_replica_cannot_be_verified()
    {
        using VerifyScene scene = VerifyScene.Of("levels/replica");
        Directory.Delete(Path.Combine(scene.Replica, "ltx"), recursive: true);
        await Assert.ThrowsAsync<RestoreUnavailableException>(scene.VerifyAsync);
    }

    [Fact]
    public async Task Deep_restores_checks_and_leaves_nothing_behind()
    {
        using VerifyScene scene = VerifyScene.Of("levels/replica");
        VerifyReport report = await scene.VerifyAsync(new VerifyOptions { ScratchDirectory = scene["scratch"] });
        Assert.True(report is { DeepChecked: true, ComparedWithDatabase: false, DeepProblem: null });
        Assert.Empty(Directory.GetFileSystemEntries(scene["scratch"]));
    }

    /// <summary>Each run reads its share on average, and after enough runs every file was read.</summary>
    [Fact]
    public async Task A_rolling_share_reads_everything_in_turn()
    {
        const int share = 6;
        using VerifyScene scene = VerifyScene.Of("levels/replica");
        long total = scene.AllFiles.Sum(file => new FileInfo(file).Length);
        long largest = scene.AllFiles.Max(file => new FileInfo(file).Length);
        long read = 0;
        for (int run = 1; run <= share + 1; run++)
        {
            VerifyReport report = await scene.VerifyWithStateAsync(share);
            read += report.BytesRead;
            Assert.InRange(read, 1, (run * ((total / share) + 1)) + largest);
            Assert.False(report.IsDamaged);
            scene.Time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.InRange(read, total, long.MaxValue);
        VerifyReport last = await scene.VerifyWithStateAsync(share);
        Assert.Equal(last.Newest, last.Proven);
        Assert.True(last.ProvenAt < last.FinishedAt, "the proof is as old as its oldest reading");

        // Damage is found within that many runs, and stays in the report until it is gone.
        string file = scene.AllFiles[5];
        byte[] intact = File.ReadAllBytes(file);
        DateTime time = File.GetLastWriteTimeUtc(file);
        byte[] damaged = [.. intact];
        damaged[60] ^= 1;
        File.WriteAllBytes(file, damaged);
        File.SetLastWriteTimeUtc(file, time);
        int runs = 0;
        while (!(await scene.VerifyWithStateAsync(share)).IsDamaged)
        {
            Assert.True(++runs <= share + 1, "not found in time");
        }

        Assert.True((await scene.VerifyWithStateAsync(share)).IsDamaged);
        File.WriteAllBytes(file, intact);
        File.SetLastWriteTimeUtc(file, time);
        Assert.False((await scene.VerifyWithStateAsync(share)).IsDamaged);
    }

    /// <summary>Files that were merged and deleted between listing and reading are no damage: list again (as restore does, trap P17).</summary>
    [Fact]
    public async Task Files_that_go_while_it_runs_are_no_damage()
    {
        using VerifyScene scene = VerifyScene.Of("levels/replica");
        FileReplicaClient inner = scene.Client;
        var client = new FaultyReplicaClient(inner);
        string first = inner.FilePath(0, new Txid(1), new Txid(1));
        client.OnRequest = (operation, level, _, _) =>
        {
            if (operation == ReplicaOperation.Open && level == 0)
            {
                File.Delete(first); // Level 1 holds it; retention takes the oldest.
            }
        };
        VerifyReport report = await new ReplicaVerifier(client, new EngineServices(scene.Files, scene.Time, NullLoggerFactory.Instance), NullLogger.Instance)
            .VerifyAsync(new VerifyOptions(), null, CancellationToken.None);
        Assert.Equal("proven", report.Result);
        Assert.Equal(scene.AllFiles.Length, report.FilesTotal);
    }

    [Fact]
    public async Task An_unreadable_memory_is_forgotten()
    {
        using VerifyScene scene = VerifyScene.Of("levels/replica");
        string memory = Path.Combine(scene.Options.StateDirectory, "verify.json");
        foreach (string content in (string[])["", "{", "[]", "{\"version\":1}", "{\"version\":2}", "{\"version\":1,\"run\":1,\"credit\":0,\"newest\":\"x\",\"files\":[[1]]}"])
        {
            File.WriteAllText(memory, content);
            Assert.False((await scene.VerifyWithStateAsync()).IsDamaged);
        }

        Assert.Equal("proven", VerificationStatus.Read(scene.Files, scene.Options)?.Result);
    }

    [Theory]
    [InlineData("1/24", 24)]
    [InlineData("1/1", 1)]
    [InlineData("1/0", null)]
    [InlineData("2/3", null)]
    [InlineData("1/-3", null)]
    [InlineData("24", null)]
    [InlineData("1/99999999999", null)]
    public void A_share_is_one_over_n(string text, int? share) =>
        Assert.Equal(share, VerifyShare.Parse(text) is (int parsed, null) ? parsed : null);
}
