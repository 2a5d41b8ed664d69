using Litestream.Ltx;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.Verify;

namespace Litestream.Tests.Verify;

/// <summary>Repair: what verified local files or other levels still hold is put back; nothing else is written.</summary>
public sealed class RepairTests
{
    [Theory]
    [InlineData("flip")]
    [InlineData("truncate")]
    [InlineData("remove")]
    public async Task Merged_files_are_rebuilt_from_the_levels_that_hold_exactly_their_transactions(string kind)
    {
        using VerifyScene scene = VerifyScene.Of("levels/replica");
        var random = new Random(5);
        foreach (string level in (string[])["1", "2", "3", "9"])
        {
            string file = Directory.GetFiles(Path.Combine(scene.Replica, "ltx", level)).Order(StringComparer.Ordinal).ElementAt(1);
            using var damage = new FileDamage(scene, file, kind, random);
            if (kind == "remove" && level == "9")
            {
                continue; // Nothing says that there was a snapshot, and no point needs it.
            }

            Assert.True((await scene.VerifyAsync()).IsDamaged);
            VerifyReport report = await scene.VerifyAsync(new VerifyOptions { Repair = true });
            Assert.False(report.IsDamaged, $"{damage}: {string.Join("; ", report.Damaged.Select(d => d.Detail))}");
            Assert.Equal(Path.GetFileName(file), Assert.Single(report.Repaired).Name);
            Assert.True((await scene.VerifyAsync()) is { IsDamaged: false, Repaired.Count: 0 });
        }

        await RestoresAllAsync(scene, "levels");
    }

    [Fact]
    public async Task Level_zero_comes_back_from_the_state_directory_only_and_only_verified()
    {
        using VerifyScene scene = VerifyScene.Of("levels/replica");
        string local = Path.Combine(scene.Options.StateDirectory, "ltx", "0");
        Directory.CreateDirectory(local);
        string[] levelZero = [.. scene.AllFiles.Where(file => Path.GetFileName(Path.GetDirectoryName(file)) == "0")];
        string good = levelZero[10];
        string bad = levelZero[20];
        string newest = levelZero[^1];
        foreach (string file in (string[])[good, bad, newest])
        {
            File.Copy(file, Path.Combine(local, Path.GetFileName(file)));
        }

        Flip(Path.Combine(local, Path.GetFileName(bad)));
        byte[] damaged = Flip(bad);
        Flip(good);
        File.Delete(newest);
        VerifyReport report = await scene.VerifyAsync(new VerifyOptions { Database = scene.Options, Repair = true });
        Assert.Equal([Path.GetFileName(good), Path.GetFileName(newest)], report.Repaired.Select(finding => finding.Name));
        Assert.Equal(Path.GetFileName(bad), Assert.Single(report.Damaged).Name);
        Assert.Equal(damaged, File.ReadAllBytes(bad));
    }

    [Fact]
    public async Task A_damaged_source_is_never_merged_into_a_repair()
    {
        using VerifyScene scene = VerifyScene.Of("levels/replica");
        string merged = Directory.GetFiles(Path.Combine(scene.Replica, "ltx", "1")).Order(StringComparer.Ordinal).ElementAt(3);
        Assert.True(LtxFileName.TryParse(Path.GetFileName(merged), out Txid min, out Txid _));
        Flip(merged);
        Flip(scene.Client.FilePath(0, min, min));

        // Level 2 holds more than the file; nothing holds exactly its transactions any more.
        VerifyReport report = await scene.VerifyAsync(new VerifyOptions { Repair = true });
        Assert.Empty(report.Repaired);
        Assert.Equal(2, report.Damaged.Count);
    }

    private static byte[] Flip(string file)
    {
        byte[] content = File.ReadAllBytes(file);
        content[content.Length / 2] ^= 1;
        File.WriteAllBytes(file, content);
        return content;
    }

    private static async Task RestoresAllAsync(VerifyScene scene, string name)
    {
        foreach (IReadOnlyDictionary<string, string> row in Fixtures.ReadTable("v0.5/expected.tsv")
            .Where(row => row["case"] == name && row["exit"] == "0" && row["request"].StartsWith("-txid ", StringComparison.Ordinal)))
        {
            Assert.True(Txid.TryParse(row["request"].AsSpan(6), out Txid txid));
            Assert.Equal(row["sha256_db"], await scene.RestoreAsync(txid));
        }
    }
}
