using System.Diagnostics.Metrics;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Sftp;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Renci.SshNet.Common;
using Renci.SshNet.Sftp;
using Xunit;

namespace Litestream.Backends.Tests.Sftp;

/// <summary>Names, times, renames and leftovers as they are on the server's disk.</summary>
[Collection(nameof(SftpTests))]
public sealed class SftpTrapTests(SftpServer server)
{
    [Fact]
    public async Task Backend_T3_T6_Files_lie_in_layout_B_with_whole_seconds_and_accurate_listings_read_the_header()
    {
        SftpOptions options = server.Options();
        await using var client = new SftpReplicaClient(options, server.Transport);
        await WriteAsync(client, 9, 1, 1000);
        string path = Path.Combine(options.Path, "ltx/9/0000000000000001-00000000000003e8.ltx");
        Assert.Equal(LtxSample.Time.AddMilliseconds(-678).UtcDateTime, File.GetLastWriteTimeUtc(path));
        Assert.Equal(LtxSample.Time.AddMilliseconds(-678), (await ListAsync(client, 9)).Single().CreatedAt);
        Assert.Equal(LtxSample.Time, (await ListAsync(client, 9, accurate: true)).Single().CreatedAt);

        // A header that says no time fails the listing; the plain one does not care.
        await File.WriteAllBytesAsync(path, new byte[300], TestContext.Current.CancellationToken);
        Assert.False((await Assert.ThrowsAsync<ReplicaException>(() => ListAsync(client, 9, accurate: true))).IsTransient);
        Assert.Single(await ListAsync(client, 9));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Backend_T7_Upload_over_an_existing_file_replaces_it(bool withoutPosixRename)
    {
        SftpOptions options = server.Options();
        await using var client = new SftpReplicaClient(options, server.Transport) { WithoutPosixRename = withoutPosixRename };
        for (int seed = 0; seed < 3; seed++)
        {
            await WriteAsync(client, 1, 1, 4, seed: seed, size: 300 + seed);
            await WriteAsync(client, 1, 1, 4, seed: seed, size: 300 + seed); // The same again: nothing to replace.
            Assert.Equal(LtxSample.Create(1, 4, 300 + seed, seed: seed), await ReadAsync(client, 1, 1, 4));
        }

        Assert.Single(Directory.GetFiles(options.Path, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task One_write_at_a_time_gives_the_same_file()
    {
        SftpOptions options = server.Options() with { ConcurrentWrites = false };
        await using var client = new SftpReplicaClient(options, server.Transport);
        byte[] content = LtxSample.Create(1, 1, 300_000);
        await client.WriteAsync(0, new Txid(1), new Txid(1), new MemoryStream(content), WriteMode.CreateOnly, CancellationToken.None);
        Assert.Equal(content, await ReadAsync(client, 0, 1, 1));
        var broken = new CutStream(new MemoryStream(LtxSample.Create(2, 2, 300_000)), 200_000, new IOException("source broke"));
        await Assert.ThrowsAsync<IOException>(() => client.WriteAsync(0, new Txid(2), new Txid(2), broken, WriteMode.CreateOnly, CancellationToken.None).AsTask());
        Assert.Single(Directory.GetFiles(options.Path, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Backend_T8_Leftovers_are_not_listed_and_old_ones_are_removed_at_the_first_write()
    {
        SftpOptions options = server.Options();
        string level = Directory.CreateDirectory(Path.Combine(options.Path, "ltx/0")).FullName;
        string final = Path.Combine(level, LtxSample.Name(1, 1));
        string[] old = [$"{final}.1234.1700000000000000000.tmp", $"{final}.0123456789abcdef00000001.tmp"];
        string[] kept = [$"{final}.fedcba987654321000000001.tmp", Path.Combine(level, "mine.tmp"), Path.Combine(level, "notes")];
        foreach (string path in old.Concat(kept))
        {
            await File.WriteAllBytesAsync(path, LtxSample.Create(1, 1), TestContext.Current.CancellationToken);
            File.SetLastWriteTimeUtc(path, File.GetLastWriteTimeUtc(path).AddDays(-2));
        }

        File.SetLastWriteTimeUtc(kept[0], File.GetLastWriteTimeUtc(kept[0]).AddDays(2).AddHours(-1));
        await using var client = new SftpReplicaClient(options, server.Transport);
        Assert.Empty(await ListAsync(client, 0));
        await WriteAsync(client, 0, 2, 2);
        await client.Sweeping;
        Assert.All(old, path => Assert.False(File.Exists(path)));
        Assert.All(kept, path => Assert.True(File.Exists(path)));
        Assert.Single(await ListAsync(client, 0));
    }

    [Fact]
    public async Task Backend_T18_T20_The_tail_of_a_truncated_file_is_short_and_not_missing()
    {
        SftpOptions options = server.Options();
        await using var client = new SftpReplicaClient(options, server.Transport);
        await WriteAsync(client, 0, 1, 1);
        await File.WriteAllBytesAsync(Path.Combine(options.Path, "ltx/0", LtxSample.Name(1, 1)), new byte[7], TestContext.Current.CancellationToken);
        Assert.Equal(7, (await ReadAsync(client, 0, 1, 1, 0, 32768)).Length);
        Assert.Empty(await ReadAsync(client, 0, 1, 1, 300, 100));
    }

    [Fact]
    public async Task Backend_T31_Backups_of_v03_are_listed_in_order_and_opened_at_an_offset()
    {
        SftpOptions options = server.Options();
        await using var client = new SftpReplicaClient(options, server.Transport);
        Assert.Empty(await client.ListGenerationFilesAsync(CancellationToken.None));
        string[] names =
        [
            "0123456789abcdef/snapshots/00000001.snapshot.lz4", "0123456789abcdef/wal/00000001_00000000.wal.lz4",
            "0123456789abcdef/wal/00000001_100000000.wal.lz4", "0123456789abcdef/wal/00000001_00000abc.wal.lz4", "0123456789abcdef/wal/junk",
            "fedcba9876543210/snapshots/00000000.snapshot.lz4", "NOT/snapshots/00000000.snapshot.lz4",
        ];
        foreach (string name in names)
        {
            string path = Path.Combine(options.Path, "generations", name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, name, TestContext.Current.CancellationToken);
        }

        IReadOnlyList<GenerationFile> files = await client.ListGenerationFilesAsync(CancellationToken.None);
        Assert.Equal(
            ["00000001.snapshot.lz4", "00000001_00000000.wal.lz4", "00000001_00000abc.wal.lz4", "00000001_100000000.wal.lz4", "00000000.snapshot.lz4"],
            files.Select(file => file.Name));
        await using Stream stream = await client.OpenGenerationFileAsync(files[3], 5, CancellationToken.None);
        using var reader = new StreamReader(stream);
        Assert.Equal(names[2][5..], await reader.ReadToEndAsync(TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<ReplicaException>(() => client.OpenGenerationFileAsync(files[0] with { Index = 9 }, 0, CancellationToken.None).AsTask());
    }

    [Fact]
    public async Task Backend_T35_Operations_are_counted()
    {
        var counts = new Dictionary<string, long>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listen) =>
            {
                if (instrument.Meter.Name == "Litestream" && instrument.Name.StartsWith("litestream_replica_operation_", StringComparison.Ordinal))
                {
                    listen.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            var labels = tags.ToArray().ToDictionary(tag => tag.Key, tag => $"{tag.Value}");
            lock (counts)
            {
                string key = $"{instrument.Name} {labels["replica_type"]} {labels["operation"]}";
                counts[key] = counts.GetValueOrDefault(key) + value;
            }
        });
        listener.Start();
        await using SftpReplicaClient client = server.Client();
        LtxFileInfo info = await WriteAsync(client, 0, 1, 1);
        await ListAsync(client, 0);
        await ReadAsync(client, 0, 1, 1);
        await client.DeleteAsync([info], CancellationToken.None);
        Assert.All(["PUT", "GET", "LIST", "DELETE"], name => Assert.True(counts[$"litestream_replica_operation_total sftp {name}"] > 0));
        Assert.True(counts["litestream_replica_operation_bytes sftp PUT"] >= 300);
    }

    [Fact]
    public async Task Delete_all_leaves_siblings_and_what_links_point_to()
    {
        SftpOptions options = server.Options();
        string beside = Directory.CreateDirectory(options.Path + "2").FullName;
        await File.WriteAllTextAsync(Path.Combine(beside, "file"), "", TestContext.Current.CancellationToken);
        await using var client = new SftpReplicaClient(options, server.Transport);
        await WriteAsync(client, 0, 1, 1);
        Directory.CreateSymbolicLink(Path.Combine(options.Path, "link"), beside);
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.False(Directory.Exists(options.Path));
        Assert.True(File.Exists(Path.Combine(beside, "file")));
    }

    [Fact]
    public async Task Something_in_the_way_of_a_directory_fails_the_write()
    {
        SftpOptions options = server.Options();
        Directory.CreateDirectory(options.Path);
        await File.WriteAllTextAsync(Path.Combine(options.Path, "ltx"), "a file", TestContext.Current.CancellationToken);
        await using var client = new SftpReplicaClient(options, server.Transport);
        Assert.IsNotType<LtxFileNotFoundException>(await Assert.ThrowsAsync<ReplicaException>(() => WriteAsync(client, 0, 1, 1)));
    }

    [Fact]
    public void Answers_of_the_server_are_told_apart()
    {
        Assert.True(SftpFailure.IsMissing(new SftpPathNotFoundException("x")));
        Assert.False(SftpFailure.IsMissing(new SftpPermissionDeniedException("x")));
        ReplicaException denied = SftpFailure.Describe("open x", new SftpPermissionDeniedException("no"));
        Assert.False(denied.IsTransient);
        Assert.Contains("permission denied; give the login user", denied.Message, StringComparison.Ordinal);
        Assert.True(SftpFailure.Describe("x", new SftpException(StatusCode.Failure, "disk full")).IsTransient);
        Assert.True(SftpFailure.Describe("x", new SshConnectionException("gone")).IsTransient);
        Assert.False(SftpFailure.IsAnswer(new SshConnectionException("gone")));
        Assert.True(SftpFailure.IsAnswer(new SftpException(StatusCode.Failure, "exists")));
    }

    internal static async Task<LtxFileInfo> WriteAsync(
        IReplicaClient client, int level, ulong min, ulong max, int size = 300, int seed = 0, WriteMode mode = WriteMode.Overwrite) =>
        await client.WriteAsync(level, new Txid(min), new Txid(max), new MemoryStream(LtxSample.Create(min, max, size, seed: seed)), mode, CancellationToken.None);

    internal static async Task<byte[]> ReadAsync(IReplicaClient client, int level, ulong min, ulong max, long offset = 0, long size = 0)
    {
        await using Stream stream = await client.OpenAsync(level, new Txid(min), new Txid(max), offset, size, CancellationToken.None);
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }

    internal static async Task<List<LtxFileInfo>> ListAsync(IReplicaClient client, int level, bool accurate = false)
    {
        List<LtxFileInfo> files = [];
        await foreach (LtxFileInfo file in client.ListAsync(level, default, accurate, CancellationToken.None))
        {
            files.Add(file);
        }

        return files;
    }
}
