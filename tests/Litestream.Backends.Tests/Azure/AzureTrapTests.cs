using System.Diagnostics.Metrics;
using System.Text;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Sas;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Azure;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;
using Xunit;
using static Litestream.Backends.Tests.Azure.AzureSupport;

namespace Litestream.Backends.Tests.Azure;

/// <summary>What is known to go wrong with this service (backends §5), on the emulator.</summary>
[Collection(AzuriteCollection.Name)]
public sealed class AzureTrapTests(AzuriteServer server)
{
    private static int containers;

    [Fact]
    public async Task Backend_T1_A_seek_behind_a_gap_finds_every_later_file()
    {
        await using AzureReplicaClient client = server.CreateClient();
        foreach (ulong txid in (ulong[])[1, 2, 15, 16, 17, 300])
        {
            await WriteAsync(client, txid, txid);
        }

        Assert.Equal([15, 16, 17, 300], (await ListAsync(client, seek: 3)).Select(file => (int)file.MinTxid.Value));
        Assert.Equal([16, 17, 300], (await ListAsync(client, seek: 16)).Select(file => (int)file.MinTxid.Value));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("/")]
    public async Task Backend_T2_Delete_all_of_a_replica_without_path_removes_it_and_nothing_else(string path)
    {
        BlobContainerClient container = await NewContainerAsync();
        string root = path == "/" ? "/" : "";
        string[] others = ["other/ltx/0/x", "/lead/ltx/0/x", "ltx2/x", "ltxfile", "readme"];
        string[] own = [root + "ltx/0/x", root + "ltx/9/y/z", root + "generations/0123456789abcdef/wal/x"];
        await PutAllAsync(container, [.. others, .. own]);
        await using AzureReplicaClient client = server.CreateClient(server.Options(path, container.Name));
        await WriteAsync(client, 1, 1);
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.Equal(others.Order(StringComparer.Ordinal), await NamesAsync(container));
    }

    [Fact]
    public async Task Backend_T2_T34_Delete_all_leaves_sibling_paths_alone()
    {
        BlobContainerClient container = await NewContainerAsync();
        await PutAllAsync(container, ["db/lock.json", "db/generations/0123456789abcdef/wal/x", "db2/ltx/0/x", "db-old", "d/x"]);
        await using AzureReplicaClient client = server.CreateClient(server.Options("db/", container.Name));
        await WriteAsync(client, 1, 1);
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.Equal(["d/x", "db-old", "db2/ltx/0/x"], await NamesAsync(container));
    }

    /// <summary>Keys as the released program writes them (recorded).</summary>
    [Theory]
    [InlineData("", "ltx/9/")]
    [InlineData(".", "ltx/9/")]
    [InlineData("/", "/ltx/9/")]
    [InlineData("db/", "db/ltx/9/")]
    [InlineData("/lead", "/lead/ltx/9/")]
    [InlineData("./dot", "dot/ltx/9/")]
    [InlineData("a//b", "a/b/ltx/9/")]
    [InlineData("a/../b", "b/ltx/9/")]
    [InlineData("a b/ü+%&=?#", "a b/ü+%&=?#/ltx/9/")]
    [InlineData("%20", "%20/ltx/9/")]
    public async Task Backend_T3_Keys_are_those_of_the_released_program(string path, string prefix)
    {
        BlobContainerClient container = await NewContainerAsync();
        await using AzureReplicaClient client = server.CreateClient(server.Options(path, container.Name));
        await WriteAsync(client, 1, 1000, level: 9);
        Assert.Equal([prefix + "0000000000000001-00000000000003e8.ltx"], await NamesAsync(container));
        Assert.Single(await ListAsync(client, level: 9));
        Assert.Equal(300, (await ReadAsync(client, 1, 1000, level: 9)).Length);
        await client.DeleteAsync(await ListAsync(client, level: 9), CancellationToken.None);
        Assert.Empty(await NamesAsync(container));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("yesterday")]
    public async Task Backend_T4_Accurate_times_come_from_the_header_where_metadata_is_lost(string? metadata)
    {
        string path = server.NewPath();
        BlobContainerClient container = server.Service.GetBlobContainerClient(AzuriteServer.Container);
        await using AzureReplicaClient client = server.CreateClient(server.Options(path));
        await WriteAsync(client, 1, 1);
        BlobClient blob = container.GetBlobClient($"{path}/ltx/0/{LtxSample.Name(2, 2)}");
        await blob.UploadAsync(
            BinaryData.FromBytes(LtxSample.Create(2, 2, time: LtxSample.Time.AddHours(-3))),
            new BlobUploadOptions { Metadata = metadata is null ? null : new Dictionary<string, string> { ["litestreamtimestamp"] = metadata } });
        Assert.Equal([LtxSample.Time, LtxSample.Time.AddHours(-3)], (await ListAsync(client, accurate: true)).Select(file => file.CreatedAt));
        DateTimeOffset created = (await blob.GetPropertiesAsync()).Value.CreatedOn;
        Assert.Equal([LtxSample.Time, created], (await ListAsync(client)).Select(file => file.CreatedAt));
    }

    [Fact]
    public async Task Backend_T4_A_header_that_cannot_be_read_is_an_error_not_another_time()
    {
        string path = server.NewPath();
        BlobContainerClient container = server.Service.GetBlobContainerClient(AzuriteServer.Container);
        await using AzureReplicaClient client = server.CreateClient(server.Options(path));
        await container.UploadBlobAsync($"{path}/ltx/0/{LtxSample.Name(1, 1)}", BinaryData.FromString("short"));
        Assert.Single(await ListAsync(client));
        ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(() => ListAsync(client, accurate: true));
        Assert.False(error.IsTransient);
        Assert.Contains(LtxSample.Name(1, 1), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_T18_T20_Ranges_of_a_file_that_is_too_short_give_what_there_is()
    {
        await using AzureReplicaClient client = server.CreateClient();
        await WriteAsync(client, 1, 1, size: 120);
        Assert.Equal(LtxSample.Create(1, 1, 120)[50..], await ReadAsync(client, 1, 1, offset: 50, size: 32768));
        Assert.Empty(await ReadAsync(client, 1, 1, offset: 120));
        Assert.Empty(await ReadAsync(client, 1, 1, offset: 121, size: 1));
    }

    [Fact]
    public async Task Backend_T19_More_files_than_one_page_holds_are_all_listed()
    {
        const int count = 5_100;
        await using AzureReplicaClient client = server.CreateClient();
        await Parallel.ForEachAsync(
            Enumerable.Range(1, count), new ParallelOptions { MaxDegreeOfParallelism = 16 },
            async (n, _) => await WriteAsync(client, (ulong)n, (ulong)n, size: 116));
        List<LtxFileInfo> files = await ListAsync(client);
        Assert.Equal(Enumerable.Range(1, count), files.Select(file => (int)file.MinTxid.Value));
        Assert.Equal(Enumerable.Range(5_050, 51), (await ListAsync(client, seek: 5_050)).Select(file => (int)file.MinTxid.Value));
    }

    [Fact]
    public async Task Backend_T22_Delete_takes_both_ends_of_the_range_from_items_that_stay_what_they_were()
    {
        await using AzureReplicaClient client = server.CreateClient();
        foreach (ulong max in (ulong[])[1, 2, 3])
        {
            await WriteAsync(client, 1, max, level: 1);
        }

        List<LtxFileInfo> files = await ListAsync(client, level: 1);
        Assert.Equal([1, 2, 3], files.Select(file => (int)file.MaxTxid.Value));
        await client.DeleteAsync([files[1]], CancellationToken.None);
        Assert.Equal([1, 3], (await ListAsync(client, level: 1)).Select(file => (int)file.MaxTxid.Value));
    }

    [Fact]
    public async Task Backend_T31_Backups_of_v03_are_read_from_the_same_path()
    {
        string path = server.NewPath();
        string generation = $"{path}/generations/0123456789abcdef/";
        BlobContainerClient container = server.Service.GetBlobContainerClient(AzuriteServer.Container);
        string[] names =
        [
            generation + "snapshots/00000002.snapshot.lz4", generation + "snapshots/00000001.snapshot.lz4", generation + "wal/00000001_100000438.wal.lz4",
            generation + "wal/00000001_00000438.wal.lz4", generation + "wal/00000001_7fffffffffffffff.wal.lz4",
            generation + "wal/00000001_438.wal.lz4", generation + "wal/deeper/00000001_00000438.wal.lz4", generation + "wal/notes.txt",
            $"{path}/generations/0123456789ABCDEF/snapshots/00000001.snapshot.lz4", $"{path}/generations/snapshots/00000001.snapshot.lz4",
        ];
        await PutAllAsync(container, names);
        await using AzureReplicaClient client = server.CreateClient(server.Options(path));
        IReadOnlyList<GenerationFile> files = await client.ListGenerationFilesAsync(CancellationToken.None);
        Assert.Equal(
            ["00000001.snapshot.lz4", "00000002.snapshot.lz4", "00000001_00000438.wal.lz4", "00000001_100000438.wal.lz4", "00000001_7fffffffffffffff.wal.lz4"],
            files.Select(file => file.Name));
        Assert.Equal(0x1_0000_0438, files[3].Offset);
        Assert.Equal(generation.Length + "wal/00000001_100000438.wal.lz4".Length, files[3].Size);
        await using Stream stream = await client.OpenGenerationFileAsync(files[3], 5, CancellationToken.None);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        Assert.Equal((generation + "wal/00000001_100000438.wal.lz4")[5..], await reader.ReadToEndAsync());
        ReplicaException missing = await Assert.ThrowsAsync<ReplicaException>(
            async () => await client.OpenGenerationFileAsync(files[3] with { Index = 9 }, 0, CancellationToken.None));
        Assert.False(missing.IsTransient);
        await client.DisposeAsync();
    }

    [Fact]
    public async Task Backend_T32_Key_and_signature_of_the_environment_are_used()
    {
        AzureOptions bare = server.Options() with { AccountKey = "" };
        using (StorageTransport byKey = Transport(environment: new Dictionary<string, string> { [AzureOptions.AccountKeyVariable] = AzuriteServer.Key }))
        {
            await using AzureReplicaClient client = server.CreateClient(bare, byKey);
            await WriteAsync(client, 1, 1);
        }

        string sas = "?" + server.Sign(BlobContainerSasPermissions.All);
        using StorageTransport bySignature = Transport(environment: new Dictionary<string, string> { [AzureOptions.SasTokenVariable] = sas });
        await using AzureReplicaClient signed = server.CreateClient(bare with { AccountName = "" }, bySignature);
        Assert.Single(await ListAsync(signed));
        Assert.Equal(300, (await ReadAsync(signed, 1, 1)).Length);
        await WriteAsync(signed, 2, 2, mode: WriteMode.CreateOnly);
        await signed.DeleteAllAsync(CancellationToken.None);
        Assert.Empty(await ListAsync(signed));
    }

    [Fact]
    public async Task Backend_T35_Every_operation_is_counted()
    {
        var counted = new Dictionary<(string Name, string Operation), double>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == "Litestream")
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            Dictionary<string, object?> labels = new(tags.ToArray());
            if ((string?)labels["replica_type"] == "abs")
            {
                lock (counted)
                {
                    (string, string) key = (instrument.Name, (string)labels["operation"]!);
                    counted[key] = counted.GetValueOrDefault(key) + value;
                }
            }
        }

        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        listener.Start();
        await using AzureReplicaClient client = server.CreateClient();
        await WriteAsync(client, 1, 1);
        await ReadAsync(client, 1, 1);
        await client.DeleteAsync(await ListAsync(client), CancellationToken.None);
        foreach (string operation in (string[])["PUT", "GET", "LIST", "DELETE"])
        {
            Assert.True(counted.GetValueOrDefault(("litestream_replica_operation_total", operation)) >= 1, operation);
        }

        Assert.True(counted[("litestream_replica_operation_bytes", "PUT")] >= 300);
        Assert.True(counted[("litestream_replica_operation_bytes", "GET")] >= 300);
        Assert.True(counted.ContainsKey(("litestream_replica_operation_duration_seconds", "PUT")));
    }

    private async Task<BlobContainerClient> NewContainerAsync() => await server.CreateContainerAsync($"box-{Interlocked.Increment(ref containers)}");

    /// <summary>Blobs whose content is their own name.</summary>
    private static async Task PutAllAsync(BlobContainerClient container, IEnumerable<string> names) =>
        await Task.WhenAll(names.Select(name => container.UploadBlobAsync(name, BinaryData.FromString(name))));

    private static async Task<List<string>> NamesAsync(BlobContainerClient container)
    {
        List<string> names = [];
        await foreach (BlobItem blob in container.GetBlobsAsync())
        {
            names.Add(blob.Name);
        }

        return names;
    }
}
