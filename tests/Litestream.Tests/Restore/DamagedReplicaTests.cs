using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit;
using Xunit;

namespace Litestream.Tests.Restore;

/// <summary>
/// Damaged copies of a golden replica (the variants of its README, and every file damaged in turn): never other content than asked;
/// where an intact way to the same transaction exists, it is used and the damage reported (decision D8).
/// </summary>
public sealed class DamagedReplicaTests
{
    private const string NoMatch = "no matching backup files available";

    private static readonly Lazy<Dictionary<string, string>> Hashes = new(() => Fixtures.ReadTable("v0.5/expected.tsv")
        .Where(row => row["case"] == "block-era" && row["exit"] == "0")
        .ToDictionary(row => row["request"], row => row["sha256_db"]));

    [Theory]
    [InlineData("9", null, "c")]
    [InlineData("1 2 9", null, "c")]
    [InlineData("0 2 9", null, "c")]
    [InlineData("0 1 9", null, "b")]
    [InlineData("0 1 2", null, "a")]
    public async Task Missing_levels_are_bridged_by_the_others(string removed, string? request, string txid)
    {
        using RestoreScene scene = RestoreScene.Of("v0.5", "block-era/replica");
        foreach (string level in removed.Split(' '))
        {
            Directory.Delete(Path.Combine(scene.Replica, "ltx", level), recursive: true);
        }

        Assert.Null(await scene.TryRestoreAsync(scene.Options(request ?? "-")));
        Assert.Equal(HashOf(txid), scene.OutputHash());
    }

    [Theory]
    [InlineData("-", "cannot calc restore plan: non-contiguous ltx files: have up to 0000000000000004 but next file starts at 0000000000000006")]
    [InlineData("-txid 0000000000000005", NoMatch)]
    [InlineData("-txid 0000000000000006", NoMatch)]
    [InlineData("-txid 0000000000000004", null)]
    public async Task A_gap_is_never_passed_over(string request, string? error)
    {
        using RestoreScene scene = LevelZeroOnly();
        File.Delete(LevelZero(scene, 5));
        Assert.Equal(error, await scene.TryRestoreAsync(scene.Options(request)));
        Assert.Equal(error is null, File.Exists(scene.Output));
    }

    [Fact]
    public async Task P18_a_time_behind_a_gap_is_an_error()
    {
        using RestoreScene scene = LevelZeroOnly();
        DateTime last = File.GetLastWriteTimeUtc(LevelZero(scene, 12));
        File.Delete(LevelZero(scene, 5));
        RestoreOptions options = scene.Options() with { Timestamp = new DateTimeOffset(last) };
        Assert.StartsWith("cannot calc restore plan: non-contiguous", await scene.TryRestoreAsync(options), StringComparison.Ordinal);
    }

    [Fact]
    public async Task P13_P14_an_empty_replica_and_one_without_its_start_are_told_apart()
    {
        using RestoreScene scene = LevelZeroOnly();
        File.Delete(LevelZero(scene, 1));
        RestoreUnavailableException damaged = await Assert.ThrowsAsync<RestoreUnavailableException>(
            () => scene.Restorer.RestoreAsync(scene.Options(), null, CancellationToken.None));
        Assert.Equal((RestoreUnavailableReason.NoValidStart, NoMatch), (damaged.Reason, damaged.Message));
        await Assert.ThrowsAsync<RestoreUnavailableException>(() => scene.Restorer.EnsureExistsAsync(scene.Output, CancellationToken.None));

        Directory.Delete(Path.Combine(scene.Replica, "ltx"), recursive: true);
        for (int run = 0; run < 2; run++)
        {
            RestoreUnavailableException empty = await Assert.ThrowsAsync<RestoreUnavailableException>(
                () => scene.Restorer.RestoreAsync(scene.Options(), null, CancellationToken.None));
            Assert.Equal((RestoreUnavailableReason.EmptyReplica, NoMatch), (empty.Reason, empty.Message));
            Assert.Null(await scene.Restorer.EnsureExistsAsync(scene.Output, CancellationToken.None));
            if (run == 0)
            {
                Directory.Delete(scene.Replica);
            }
        }

        Assert.False(File.Exists(scene.Output));
    }

    public static TheoryData<string> LastFileDamage =>
        ["cut 1", "cut 16", "half", "to 100", "to 99", "to 0", "checksum bit", "commit bit", "reserved byte", "first byte", "zeros appended", "bit at 3/4"];

    [Theory]
    [MemberData(nameof(LastFileDamage))]
    public async Task A_damaged_last_file_without_another_way_is_an_error(string damage)
    {
        using RestoreScene scene = LevelZeroOnly();
        string file = LevelZero(scene, 12);
        File.WriteAllBytes(file, Damage(damage, File.ReadAllBytes(file)));
        string? error = await scene.TryRestoreAsync(scene.Options());
        Assert.NotNull(error);
        if (damage is "to 99" or "to 0")
        {
            Assert.Equal(
                $"invalid ltx file: level=0 min=000000000000000c max=000000000000000c has size {damage[3..]} bytes (minimum 100)", error);
        }
        else
        {
            Assert.Contains("000000000000000c", error, StringComparison.Ordinal);
        }

        Assert.False(File.Exists(scene.Output));
        Assert.Empty(scene.Leftovers);

        // The point before it is not affected.
        Assert.Null(await scene.TryRestoreAsync(scene.Options("-txid 000000000000000b")));
        Assert.Equal(HashOf("b"), scene.OutputHash());
    }

    [Fact]
    public async Task A_file_with_the_name_of_another_is_noticed()
    {
        using RestoreScene scene = LevelZeroOnly();
        File.Copy(LevelZero(scene, 5), LevelZero(scene, 6), overwrite: true);
        Assert.Contains("another file has this name", await scene.TryRestoreAsync(scene.Options()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Foreign_names_and_directories_are_ignored()
    {
        using RestoreScene scene = LevelZeroOnly();
        string level = Path.Combine(scene.Replica, "ltx/0");
        File.WriteAllText(Path.Combine(level, "000000000000000d-000000000000000d.ltx.tmp"), "x");
        File.WriteAllText(Path.Combine(level, "000000000000000D-000000000000000D.ltx"), "x");
        File.WriteAllText(Path.Combine(level, "x.ltx"), "x");
        Directory.CreateDirectory(Path.Combine(level, "000000000000000e-000000000000000e.ltx"));
        Directory.CreateDirectory(Path.Combine(scene.Replica, "ltx/10"));
        Assert.Null(await scene.TryRestoreAsync(scene.Options()));
        Assert.Equal(HashOf("c"), scene.OutputHash());
    }

    [Theory]
    [InlineData("bit in the middle")]
    [InlineData("to 50")]
    public async Task D8_a_damaged_newest_snapshot_is_replaced_by_an_intact_way_and_reported(string damage)
    {
        using RestoreScene scene = RestoreScene.Of("v0.5", "block-era/replica");
        string snapshot = Path.Combine(scene.Replica, "ltx/9/0000000000000001-000000000000000a.ltx");
        File.WriteAllBytes(snapshot, Damage(damage, File.ReadAllBytes(snapshot)));
        RestoreResult result = await scene.Restorer.RestoreAsync(scene.Options(), null, CancellationToken.None);
        Assert.Equal(HashOf("c"), scene.OutputHash());
        Assert.Equal("9/0000000000000001-000000000000000a.ltx", Assert.Single(result.Plan.Damaged.Select(d => $"{d.File.Level}/{d.File.Name}")));
        Assert.Empty(scene.Leftovers);
        File.Delete(scene.Output);
        Assert.Null(await scene.TryRestoreAsync(scene.Options("-txid 0000000000000009")));
        Assert.Equal(HashOf("9"), scene.OutputHash());
    }

    public static TheoryData<string> FileDamage => ["bit in the middle", "half", "to 0", "to 50", "checksum bit", "removed", "zeros"];

    [Theory]
    [MemberData(nameof(FileDamage))]
    public async Task P28_whatever_file_is_damaged_or_gone_the_content_is_right_or_there_is_an_error(string damage)
    {
        using RestoreScene scene = RestoreScene.Of("v0.5", "block-era/replica");
        int restored = 0;
        foreach (string file in Directory.GetFiles(Path.Combine(scene.Replica, "ltx"), "*.ltx", SearchOption.AllDirectories))
        {
            byte[] content = File.ReadAllBytes(file);
            DateTime time = File.GetLastWriteTimeUtc(file);
            if (damage == "removed")
            {
                File.Delete(file);
            }
            else
            {
                File.WriteAllBytes(file, Damage(damage, [.. content]));
            }

            foreach ((string request, string hash) in Hashes.Value.Where(pair => !pair.Key.StartsWith("-timestamp", StringComparison.Ordinal)))
            {
                string? error = await scene.TryRestoreAsync(scene.Options(request));
                Assert.True(error is null == File.Exists(scene.Output), $"{file} {request}: {error}");
                Assert.Empty(scene.Leftovers);
                if (error is null && !(request == "-" && damage == "removed"))
                {
                    Assert.True(hash == scene.OutputHash(), $"{file} {request}: other content");
                    restored++;
                }

                scene.Files.Delete(scene.Output);
            }

            File.WriteAllBytes(file, content);
            File.SetLastWriteTimeUtc(file, time);
        }

        // The replica holds most points in several levels, so nearly all requests must have found a way.
        Assert.InRange(restored, 290, int.MaxValue);
    }

    internal static byte[] Damage(string kind, byte[] content)
    {
        byte[] Flip(int at, byte mask = 0x10)
        {
            content[at] ^= mask;
            return content;
        }

        return kind switch
        {
            "cut 1" => content[..^1],
            "cut 16" => content[..^16],
            "half" => content[..(content.Length / 2)],
            "zeros appended" => [.. content, .. new byte[8]],
            "zeros" => new byte[content.Length],
            "checksum bit" => Flip(content.Length - 3),
            "commit bit" => Flip(15, 1),
            "reserved byte" => Flip(90),
            "first byte" => Flip(0),
            "bit at 3/4" => Flip(content.Length * 3 / 4),
            "bit in the middle" => Flip(content.Length / 2),
            _ when kind.StartsWith("to ", StringComparison.Ordinal) =>
                content[..int.Parse(kind[3..], System.Globalization.CultureInfo.InvariantCulture)],
            _ => throw new ArgumentException(kind),
        };
    }

    private static string HashOf(string txid) => Hashes.Value["-txid " + txid.PadLeft(16, '0')];

    private static RestoreScene LevelZeroOnly()
    {
        RestoreScene scene = RestoreScene.Of("v0.5", "block-era/replica");
        foreach (string level in new[] { "1", "2", "9" })
        {
            Directory.Delete(Path.Combine(scene.Replica, "ltx", level), recursive: true);
        }

        return scene;
    }

    private static string LevelZero(RestoreScene scene, ulong txid) =>
        ((FileReplicaClient)scene.Client).FilePath(0, new Ltx.Txid(txid), new Ltx.Txid(txid));
}
