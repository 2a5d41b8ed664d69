using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Gcs;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Gcs;

/// <summary>Traps of backends §5 on Google Cloud Storage.</summary>
public sealed class GcsTrapTests(GcsServer server) : IClassFixture<GcsServer>
{
    // Upstream sends the TXID as part of the prefix and finds one file where there are many.
    [Fact]
    public async Task Backend_T1_Seek_goes_to_the_store_and_returns_every_later_file()
    {
        await using var between = new Interposer(server.Url);
        string path = GcsServer.NewPath();
        await using GcsReplicaClient client = server.Client(path, between.Url);
        foreach (ulong txid in new ulong[] { 2, 3, 5, 6, 9, 0x1f })
        {
            await GcsServer.Write(client, 0, txid, txid);
        }

        Assert.Equal([5ul, 6, 9, 0x1f], (await GcsServer.List(client, 0, seek: 4)).Select(file => file.MinTxid.Value));
        Assert.Equal([5ul, 6, 9, 0x1f], (await GcsServer.List(client, 0, seek: 5)).Select(file => file.MinTxid.Value));
        Exchange last = between.Requests[^1];
        Assert.Contains($"prefix={Uri.EscapeDataString(path + "/ltx/0/")}&", last.Target, StringComparison.Ordinal);
        Assert.EndsWith($"startOffset={Uri.EscapeDataString(path + "/ltx/0/0000000000000005")}", last.Target, StringComparison.Ordinal);
        Assert.Empty(between.Failures);
    }

    [Theory]
    [InlineData("", "ltx/0/", "db/ltx/0/ ltx2/0/ other/")]
    [InlineData("db", "db/ltx/0/ db/generations/ db/", "db2/ltx/0/ ltx/0/")]
    [InlineData("/", "/ltx/0/", "ltx/0/ /db/ltx/0/")]
    public async Task Backend_T2_T34_Delete_all_takes_this_replica_and_no_other(string path, string gone, string stays)
    {
        using var http = new HttpClient();
        string bucket = "b" + Guid.NewGuid().ToString("N");
        using (HttpResponseMessage created = await http.PostAsync(server.EmulatorUrl + "/storage/v1/b", new StringContent($$"""{"name":"{{bucket}}"}""")))
        {
            created.EnsureSuccessStatusCode();
        }

        foreach (string prefix in (gone + " " + stays).Split(' '))
        {
            await PutRawAsync(http, bucket, prefix + "something");
        }

        var client = new GcsReplicaClient(new GcsOptions { Bucket = bucket, Path = path }, server.Emulated);
        await client.DeleteAllAsync(CancellationToken.None);
        string left = await http.GetStringAsync($"{server.EmulatorUrl}/storage/v1/b/{bucket}/o");
        Assert.All(stays.Split(' '), prefix => Assert.Contains($"\"name\": \"{prefix}something\"", left, StringComparison.Ordinal));
        Assert.All(gone.Split(' '), prefix => Assert.DoesNotContain($"\"name\": \"{prefix}something\"", left, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Backend_T18_A_range_behind_the_end_is_empty_and_only_a_missing_object_does_not_exist()
    {
        string path = GcsServer.NewPath();
        await using GcsReplicaClient client = server.Client(path);
        byte[] content = LtxSample.Create(1, 1, 500);
        await GcsServer.Write(client, 0, 1, 1, content);
        Assert.Empty(await GcsServer.Read(client, 0, 1, 1, 500, 1));
        Assert.Empty(await GcsServer.Read(client, 0, 1, 1, 900));
        Assert.Equal(content[499..], await GcsServer.Read(client, 0, 1, 1, 499, 100));
        await Assert.ThrowsAsync<LtxFileNotFoundException>(() => GcsServer.Read(client, 0, 2, 2));

        // A bucket that is not there must not look like a file that was compacted away (§1.4).
        await using GcsReplicaClient wrong = server.Client(path, bucket: "no-such-bucket");
        foreach (Func<Task> use in new Func<Task>[]
        {
            () => GcsServer.Read(wrong, 0, 1, 1), () => GcsServer.List(wrong, 0), () => GcsServer.Write(wrong, 0, 1, 1),
            () => wrong.InitializeAsync(CancellationToken.None).AsTask(),
            () => wrong.DeleteAsync([new LtxFileInfo(0, new Txid(1), new Txid(1), 1, default)], CancellationToken.None).AsTask(),
        })
        {
            ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(use);
            Assert.False(failure.IsTransient);
            Assert.Contains("no-such-bucket", failure.Message, StringComparison.Ordinal);
            Assert.Contains("create it", failure.Message, StringComparison.Ordinal);
        }
    }

    // The real service words its 404 in several ways; where the text does not tell, a listing of nothing does.
    [Theory]
    [InlineData("Not Found", true)]
    [InlineData("Not Found", false)]
    [InlineData("""{"error":{"code":404,"message":"The specified bucket does not exist."}}""", false)]
    [InlineData("""{"error":{"code":404,"message":"No such object: test/x"}}""", true)]
    public async Task Backend_T18_Missing_object_and_missing_bucket_are_told_apart(string text, bool bucketExists)
    {
        await using var stub = new Interposer("", async exchange =>
        {
            bool lists = exchange.Target.Contains("maxResults=1", StringComparison.Ordinal);
            await (lists && bucketExists ? exchange.RespondAsync(200, "{}") : exchange.RespondAsync(404, text));
            return true;
        });
        using StorageTransport transport = GcsServer.CreateTransport(("STORAGE_EMULATOR_HOST", stub.Url));
        var client = new GcsReplicaClient(new GcsOptions { Bucket = "test" }, transport);
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(() => GcsServer.Read(client, 0, 1, 1));
        Assert.Equal(bucketExists, failure is LtxFileNotFoundException);
        Assert.False(failure.IsTransient);
    }

    [Fact]
    public async Task Backend_T18_A_read_that_breaks_off_goes_on_where_it_stopped()
    {
        int cuts = 0;
        await using var between = new Interposer(server.Url, async exchange =>
        {
            if (exchange.Target.Contains("alt=media", StringComparison.Ordinal) && ++cuts <= 2)
            {
                await exchange.ForwardAsync(cut: 1000 * cuts);
                return true;
            }

            return false;
        });
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath(), between.Url);
        byte[] content = LtxSample.Create(1, 1, 50_000);
        LtxFileInfo file = await GcsServer.Write(client, 0, 1, 1, content);
        await using Stream stream = ResumableReader.ForReplica(client, file, new InstantTimeProvider()).AsStream();
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        Assert.Equal(content, copy.ToArray());
        string?[] ranges = [.. between.Requests.Where(one => one.Target.Contains("alt=media", StringComparison.Ordinal)).Select(one => one.Headers.GetValueOrDefault("Range"))];
        Assert.Equal(["bytes=0-49999", "bytes=1000-49999", "bytes=3000-49999"], ranges);
        Assert.Empty(between.Failures);
    }

    [Fact]
    public async Task Backend_T19_Empty_pages_are_not_the_end()
    {
        await using var stub = new Interposer("", async exchange =>
        {
            string token = exchange.Target.Contains("pageToken=", StringComparison.Ordinal) ? exchange.Target[(exchange.Target.IndexOf("pageToken=", StringComparison.Ordinal) + 10)..] : "";
            await exchange.RespondAsync(200, token switch
            {
                "" => """{"nextPageToken":"a b"}""",
                "a%20b" => $$"""{"items":[{"name":"ltx/0/{{LtxSample.Name(1, 1)}}","size":"7","timeCreated":"2024-01-01T00:00:00Z"},{"name":"ltx/0/sub/{{LtxSample.Name(2, 2)}}","size":"7"}],"nextPageToken":"c"}""",
                "c" => """{"items":[],"nextPageToken":"d"}""",
                _ => $$$"""{"items":[{"name":"ltx/0/{{{LtxSample.Name(3, 3)}}}","size":"9","metadata":{"litestream-timestamp":"2024-01-02T03:04:05.6Z"}},{"name":"ltx/0/readme"}]}""",
            });
            return true;
        });
        using StorageTransport transport = GcsServer.CreateTransport(("STORAGE_EMULATOR_HOST", stub.Url));
        var client = new GcsReplicaClient(new GcsOptions { Bucket = "test" }, transport);
        Assert.Equal(
            [
                new LtxFileInfo(0, new Txid(1), new Txid(1), 7, new DateTimeOffset(2024, 1, 1, 0, 0, 0, TimeSpan.Zero)),
                new LtxFileInfo(0, new Txid(3), new Txid(3), 9, new DateTimeOffset(2024, 1, 2, 3, 4, 5, 600, TimeSpan.Zero)),
            ],
            await GcsServer.List(client, 0));
        Assert.Equal(4, stub.Requests.Count);
    }

    [Fact]
    public async Task Backend_T19_A_failure_in_the_middle_of_a_listing_is_not_its_end()
    {
        await using var stub = new Interposer("", async exchange =>
        {
            bool first = !exchange.Target.Contains("pageToken=", StringComparison.Ordinal);
            await (first
                ? exchange.RespondAsync(200, $$"""{"items":[{"name":"ltx/0/{{LtxSample.Name(1, 1)}}","size":"7"}],"nextPageToken":"x"}""")
                : exchange.RespondAsync(500));
            return true;
        });
        using StorageTransport transport = GcsServer.CreateTransport(("STORAGE_EMULATOR_HOST", stub.Url));
        var client = new GcsReplicaClient(new GcsOptions { Bucket = "test" }, transport);
        int seen = 0;
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () =>
        {
            await foreach (LtxFileInfo one in client.ListAsync(0, default, false, CancellationToken.None))
            {
                seen++;
            }
        });
        Assert.Equal(1, seen);
        Assert.True(failure.IsTransient);
        Assert.Equal(5, stub.Requests.Count);
    }

    [Fact]
    public async Task Backend_T21_Size_0_means_the_whole_object()
    {
        await using var between = new Interposer(server.Url);
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath(), between.Url);
        byte[] content = LtxSample.Create(1, 1, 4000);
        await GcsServer.Write(client, 0, 1, 1, content);
        Assert.Equal(content, await GcsServer.Read(client, 0, 1, 1));
        Assert.DoesNotContain("Range", between.Requests[^1].Headers.Keys);
        Assert.Equal(content[1000..], await GcsServer.Read(client, 0, 1, 1, 1000));
        Assert.Equal("bytes=1000-", between.Requests[^1].Headers["Range"]);
    }

    [Fact]
    public async Task Backend_T31_Generations_are_read_with_offsets_behind_4_GiB()
    {
        using var http = new HttpClient();
        string path = GcsServer.NewPath();
        const string first = "0123456789abcdef";
        const string second = "fedcba9876543210";
        foreach (string name in new[]
        {
            $"{second}/wal/00000002_100001000.wal.lz4", $"{second}/wal/00000002_00000000.wal.lz4", $"{second}/snapshots/00000002.snapshot.lz4",
            $"{first}/snapshots/0000000a.snapshot.lz4", $"{first}/wal/0000000a_00000000.wal.lz4", $"{first}/wal/0000000A_00000000.wal.lz4",
            $"{first}/other/0000000a.snapshot.lz4", "nogeneration/wal/00000002_00000000.wal.lz4", $"{first}/wal/deeper/00000002_00000000.wal.lz4",
        })
        {
            await PutRawAsync(http, "test", $"{path}/generations/{name}");
        }

        var client = new GcsReplicaClient(new GcsOptions { Bucket = "test", Path = path }, server.Emulated);
        IReadOnlyList<GenerationFile> files = await client.ListGenerationFilesAsync(CancellationToken.None);
        Assert.Equal(
            [
                $"{first} 0000000a.snapshot.lz4", $"{first} 0000000a_00000000.wal.lz4", $"{second} 00000002.snapshot.lz4",
                $"{second} 00000002_00000000.wal.lz4", $"{second} 00000002_100001000.wal.lz4",
            ],
            files.Select(file => $"{file.Generation} {file.Name}"));
        Assert.All(files, file => Assert.True(file.CreatedAt > DateTimeOffset.UnixEpoch && file.Size > 0));
        using var reader = new StreamReader(await client.OpenGenerationFileAsync(files[4], 2, CancellationToken.None));
        Assert.Equal($"{path}/generations/{second}/wal/00000002_100001000.wal.lz4"[2..], await reader.ReadToEndAsync());
        ReplicaException missing = await Assert.ThrowsAsync<ReplicaException>(
            async () => await client.OpenGenerationFileAsync(files[0] with { Index = 99 }, 0, CancellationToken.None));
        Assert.False(missing.IsTransient);
    }

    [Fact]
    public async Task Backend_T35_Requests_are_counted_under_the_names_of_upstream()
    {
        var seen = new ConcurrentBag<string>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == "Litestream")
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        void See<T>(Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
            seen.Add(string.Create(CultureInfo.InvariantCulture, $"{instrument.Name} {string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"))} {value}"));
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => See(instrument, value, tags));
        listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => See(instrument, "", tags));
        listener.Start();
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath());
        LtxFileInfo file = await GcsServer.Write(client, 0, 1, 1, LtxSample.Create(1, 1, 4321));
        await GcsServer.Read(client, 0, 1, 1);
        await GcsServer.List(client, 0);
        await client.DeleteAsync([file], CancellationToken.None);
        Assert.Contains("litestream_replica_operation_total replica_type=gs operation=PUT 1", seen);
        Assert.Contains("litestream_replica_operation_bytes replica_type=gs operation=PUT 4321", seen);
        Assert.Contains("litestream_replica_operation_duration_seconds replica_type=gs operation=PUT ", seen);
        Assert.Contains("litestream_replica_operation_total replica_type=gs operation=GET 1", seen);
        Assert.Contains("litestream_replica_operation_bytes replica_type=gs operation=GET 4321", seen);
        Assert.Contains("litestream_replica_operation_total replica_type=gs operation=LIST 1", seen);
        Assert.Contains("litestream_replica_operation_total replica_type=gs operation=DELETE 1", seen);
    }

    private async Task PutRawAsync(HttpClient http, string bucket, string name)
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(name));
        using HttpResponseMessage answer = await http.PostAsync(
            $"{server.EmulatorUrl}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={Uri.EscapeDataString(name)}", content);
        answer.EnsureSuccessStatusCode();
    }
}
