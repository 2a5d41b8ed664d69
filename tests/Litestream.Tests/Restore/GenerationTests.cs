using System.Security.Cryptography;
using Litestream.Restore;
using Litestream.Restore.Generations;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Litestream.Tests.Restore;

/// <summary>The V traps: backups that v0.3 left in a directory.</summary>
public sealed class GenerationTests
{
    private static IReadOnlyList<IReadOnlyDictionary<string, string>> Rows => Fixtures.ReadTable("v0.3/expected.tsv");

    private const string Latest = "7d2a8ff3501f5bc26fe31c72d7aace05ca722b4c9a462e9441c1b93190e8196e";

    [Theory]
    [InlineData("two-generations")]
    [InlineData("many-indexes")]
    public async Task V1_V4_every_point_gives_the_stated_bytes(string fixture)
    {
        using RestoreScene scene = RestoreScene.Of("v0.3", fixture);
        foreach (IReadOnlyDictionary<string, string> row in Rows.Where(row => row["fixture"] == fixture))
        {
            string request = row["timestamp"] == "-" ? "-" : "-timestamp " + row["timestamp"];
            string? error = await scene.TryRestoreAsync(scene.Options(request, url: false) with { IntegrityCheck = IntegrityCheckMode.Full });
            Assert.True(error is null, $"{row["point"]}: {error}");
            Assert.True(row["sha256_db_file"] == scene.OutputHash(), row["point"]);
            Assert.Empty(scene.Leftovers); // V10: nothing of SQLite's either.
            RestorePlan plan = await scene.Restorer.PlanAsync(scene.Options(request, url: false), CancellationToken.None);
            Assert.Equal(
                (row["generation"], row["snapshot_index"], row["last_segment"]),
                (plan.Generation!.Generation, plan.Generation.Snapshot.Name[..8], plan.Generation.Segments[^1].Name));
            scene.Files.Delete(scene.Output);
        }
    }

    [Theory]
    [InlineData("snapshots/00000002.snapshot.lz4 snapshots/00000003.snapshot.lz4", null)]
    [InlineData("snapshots/00000003.snapshot.lz4", null)]
    [InlineData(
        "snapshots/00000002.snapshot.lz4 snapshots/00000003.snapshot.lz4 wal/00000001_00000438.wal.lz4",
        "missing WAL segment: have up to offset 1080, next is 6320")]
    [InlineData(
        "snapshots/00000002.snapshot.lz4 snapshots/00000003.snapshot.lz4 wal/00000001_00000000.wal.lz4",
        "missing WAL segment: index 00000001 does not begin at offset 0")]
    [InlineData(
        "snapshots/00000002.snapshot.lz4 snapshots/00000003.snapshot.lz4 wal/00000001_00000000.wal.lz4 wal/00000001_00000438.wal.lz4 wal/00000001_000018b0.wal.lz4",
        "missing WAL index: expected 00000001, got 00000002")]
    public async Task V2_V3_missing_files(string removed, string? error)
    {
        using RestoreScene scene = RestoreScene.Of("v0.3", "many-indexes");
        foreach (string file in removed.Split(' '))
        {
            File.Delete(Path.Combine(Generation(scene), file));
        }

        string? found = await scene.TryRestoreAsync(scene.Options());
        if (error is null)
        {
            Assert.Null(found);
            Assert.Equal(Latest, scene.OutputHash());
            return;
        }

        Assert.EndsWith(error, found, StringComparison.Ordinal);
        Assert.False(File.Exists(scene.Output));
        Assert.Empty(scene.Leftovers);
    }

    [Fact]
    public async Task V3_the_end_of_a_missing_last_segment_is_not_seen_but_the_chain_is_right()
    {
        using RestoreScene scene = RestoreScene.Of("v0.3", "many-indexes");
        foreach (string file in new[] { "snapshots/00000002.snapshot.lz4", "snapshots/00000003.snapshot.lz4", "wal/00000000_000049d0.wal.lz4" })
        {
            File.Delete(Path.Combine(Generation(scene), file));
        }

        Assert.Null(await scene.TryRestoreAsync(scene.Options()));
    }

    [Theory]
    [InlineData("2026-11-22T21:35:37.224Z")]
    [InlineData("2026-11-22T21:35:37.220610664Z")]
    public async Task A_snapshot_without_segments_is_a_result(string time)
    {
        using RestoreScene scene = RestoreScene.Of("v0.3", "many-indexes");
        Assert.Null(await scene.TryRestoreAsync(scene.Options("-timestamp " + time)));
        Assert.Equal(5120, new FileInfo(scene.Output).Length);
    }

    [Fact]
    public async Task A_time_before_the_first_snapshot_has_no_snapshots()
    {
        using RestoreScene scene = RestoreScene.Of("v0.3", "many-indexes");
        Assert.Equal("no snapshots available", await scene.TryRestoreAsync(scene.Options("-timestamp 2026-11-22T21:35:37.000Z", url: false)));
        Assert.Equal("timestamp does not exist", await scene.TryRestoreAsync(scene.Options("-timestamp 2026-11-22T21:35:37.000Z")));
        Assert.Equal("timestamp does not exist", await scene.TryRestoreAsync(scene.Options("-timestamp 2027-11-22T21:35:37.000Z")));
        Assert.Null(await scene.TryRestoreAsync(scene.Options("-timestamp 2027-11-22T21:35:37.000Z", url: false)));
        Assert.Equal(Latest, scene.OutputHash());
    }

    [Fact]
    public async Task V6_V10_a_cut_or_damaged_file_is_an_error_and_leaves_nothing()
    {
        using RestoreScene scene = RestoreScene.Of("v0.3", "many-indexes");
        File.Delete(Path.Combine(Generation(scene), "snapshots/00000002.snapshot.lz4"));
        File.Delete(Path.Combine(Generation(scene), "snapshots/00000003.snapshot.lz4"));
        foreach (string file in Directory.GetFiles(Generation(scene), "*.lz4", SearchOption.AllDirectories))
        {
            byte[] content = File.ReadAllBytes(file);
            foreach (string damage in new[] { "cut 1", "cut 4", "bit in the middle", "to 0", "zeros appended", "first byte", "half" })
            {
                string label = damage == "cut 4" ? "to " + (content.Length - 4) : damage;
                DateTime time = File.GetLastWriteTimeUtc(file);
                File.WriteAllBytes(file, DamagedReplicaTests.Damage(label, [.. content]));
                File.SetLastWriteTimeUtc(file, time);
                string? error = await scene.TryRestoreAsync(scene.Options());
                Assert.True(error is not null, $"{file}: {damage}");
                Assert.Contains(Path.GetFileName(file), error, StringComparison.Ordinal);
                Assert.False(File.Exists(scene.Output));
                Assert.Empty(scene.Leftovers);
                File.WriteAllBytes(file, content);
                File.SetLastWriteTimeUtc(file, time);
            }
        }

        Assert.Null(await scene.TryRestoreAsync(scene.Options()));
    }

    [Fact]
    public async Task V5_names()
    {
        Assert.True(GenerationFileName.TryParseSegment("00000001_1a2b3c4d5.wal.lz4", out int index, out long offset));
        Assert.Equal((1, 0x1a2b3c4d5), (index, offset));
        Assert.Equal("00000001_1a2b3c4d5.wal.lz4", new GenerationFile("g", index, offset, 0, default).Name);
        Assert.True(GenerationFileName.TryParseSegment("7fffffff_7fffffffffffffff.wal.lz4", out index, out offset));
        Assert.Equal((int.MaxValue, long.MaxValue), (index, offset));
        foreach (string name in new[]
        {
            "80000000_00000000.wal.lz4", "00000000_0000000.wal.lz4", "00000000_00000000000000000.wal.lz4", "0000000_00000000.wal.lz4",
            "0000000A_00000000.wal.lz4", "00000000_00000000.wal.lz4.tmp", "00000000_ffffffffffffffff.wal.lz4", "00000000-00000000.wal.lz4",
        })
        {
            Assert.False(GenerationFileName.TryParseSegment(name, out _, out _), name);
        }

        Assert.False(GenerationFileName.TryParseSnapshot("80000000.snapshot.lz4", out _));
        Assert.False(GenerationFileName.TryParseSnapshot("00000000.snapshot.lz4.tmp", out _));

        // Offsets behind 4 GiB sort by number, not by name.
        using RestoreScene scene = RestoreScene.Of("v0.3", "many-indexes");
        string wal = Path.Combine(Generation(scene), "wal");
        File.WriteAllText(Path.Combine(wal, "00000005_100000000.wal.lz4"), "x");
        File.WriteAllText(Path.Combine(wal, "00000005_ffffffff.wal.lz4"), "x");
        IReadOnlyList<GenerationFile> files = await ((IGenerationSource)scene.Client).ListGenerationFilesAsync(CancellationToken.None);
        Assert.Equal([0xffffffff, 0x100000000], files.Where(file => file.Index == 5).Select(file => file.Offset));
    }

    public static TheoryData<string?, string?, string?, bool> Choices => new()
    {
        { null, "9@5", "-", false },
        { "s1", null, "-", true },
        { "s1 w9", "9@5 0@8", "-", true },
        { "s1 w8", "9@5 0@8", "-", false },
        { "s1 w7", "9@5 0@8", "-", false },
        { "s1 w7", "9@5", "5", true }, // Ours is not < 5.
        { "s1 w7", "9@5", "6", false },
        { "s5 w7", "9@5", "6", false }, // Equal times: LTX.
        { "s6 w7", "9@5", "6", true },
        { "s6 w7", "9@5", "7", true },
        { "s8", "9@5", "7", false },
        { "s1", "1@0", "5", true }, // A base in a lower level does not count.
    };

    [Theory]
    [MemberData(nameof(Choices))]
    public async Task V7_the_choice_between_v03_and_ltx(string? generation, string? ltx, string? time, bool expected)
    {
        DateTimeOffset At(string seconds) => DateTimeOffset.UnixEpoch.AddSeconds(int.Parse(seconds, null));
        await using var client = new MemoryReplicaClient();
        ulong next = 1;
        foreach (string file in ltx?.Split(' ') ?? [])
        {
            string[] parts = file.Split('@');
            client.Put(int.Parse(parts[0], null), new Ltx.Txid(1), new Ltx.Txid(next++), new byte[200], At(parts[1]));
        }

        List<GenerationFile> files = [.. (generation?.Split(' ') ?? []).Select(
            file => new GenerationFile("0123456789abcdef", 0, file[0] == 's' ? -1 : 0, 10, At(file[1..])))];
        ReplicaListing listing = await ReplicaListing.ReadAsync(client, true, CancellationToken.None);
        Assert.Equal(expected, GenerationChooser.Prefers(listing, files, time is null or "-" ? null : At(time)));
    }

    [Fact]
    public void Latest_prefers_the_generation_that_was_written_last_and_the_greater_index_at_equal_times()
    {
        GenerationFile File(string generation, int index, long offset, int seconds) =>
            new(generation, index, offset, 10, DateTimeOffset.UnixEpoch.AddSeconds(seconds));
        GenerationFile[] files = [File("a", 0, -1, 1), File("a", 0, 0, 9), File("b", 0, -1, 5), File("c", 0, 0, 20)];
        Assert.Equal("a", GenerationChooser.Plan(files, null).Generation);
        GenerationFile[] equal = [File("a", 0, -1, 1), File("a", 2, -1, 1), File("a", 1, -1, 1)];
        Assert.Equal(2, GenerationChooser.Plan(equal, null).Snapshot.Index);
    }

    [Fact]
    public async Task V8_a_replica_with_v03_data_only_restores_and_other_names_are_ignored()
    {
        using RestoreScene scene = RestoreScene.Of("v0.3", "two-generations");
        string generations = Path.Combine(scene.Replica, "generations");
        Directory.CreateDirectory(Path.Combine(generations, "FFFFFFFFFFFFFFFF/snapshots"));
        Directory.CreateDirectory(Path.Combine(generations, "abc/snapshots"));
        File.WriteAllText(Path.Combine(generations, "FFFFFFFFFFFFFFFF/snapshots/00000000.snapshot.lz4"), "x");
        File.WriteAllText(Path.Combine(generations, "0000000000000000"), "a file");
        foreach (bool url in new[] { true, false })
        {
            RestoreResult result = await scene.Restorer.RestoreAsync(scene.Options("-", url), null, CancellationToken.None);
            Assert.True(result.Txid.IsNone);
            scene.Files.Delete(scene.Output);
        }
    }

    [Fact]
    public async Task V9_without_v03_support_an_empty_replica_says_so()
    {
        using var temp = new TempDirectory();
        await using var client = new MemoryReplicaClient();
        var restorer = new Restorer(client, LocalFileSystem.Instance, TimeProvider.System, NullLogger.Instance);
        RestoreUnavailableException error = await Assert.ThrowsAsync<RestoreUnavailableException>(
            () => restorer.RestoreAsync(new RestoreOptions { OutputPath = temp["db"] }, null, CancellationToken.None));
        Assert.Equal(RestoreUnavailableReason.EmptyReplica, error.Reason);
        Assert.Equal(
            "no matching backup files available: there are no LTX files, and backups of Litestream 0.3 cannot be read from memory replicas", error.Message);
    }

    [Fact]
    public async Task A_transaction_is_never_looked_for_in_v03_data()
    {
        using RestoreScene scene = RestoreScene.Of("v0.3", "two-generations");
        Assert.Equal("no matching backup files available", await scene.TryRestoreAsync(scene.Options("-txid 0000000000000001")));
    }

    [Fact]
    public void The_content_checksum_is_that_of_the_frame_format()
    {
        // Values of the reference implementation; pieces of every size must give the same.
        byte[] data = [.. Enumerable.Range(0, 1000).Select(i => (byte)(i * 7))];
        var whole = new XxHash32();
        whole.Append(data);
        foreach (int piece in new[] { 1, 3, 15, 16, 17, 64 })
        {
            var hash = new XxHash32();
            foreach (byte[] part in data.Chunk(piece))
            {
                hash.Append(part);
            }

            Assert.Equal(whole.Value, hash.Value);
        }

        Assert.Equal(0x02CC5D05u, new XxHash32().Value);
        var abc = new XxHash32();
        abc.Append("abc"u8);
        Assert.Equal(0x32D153FFu, abc.Value);
    }

    private static string Generation(RestoreScene scene) => Directory.GetDirectories(Path.Combine(scene.Replica, "generations")).Single();
}
