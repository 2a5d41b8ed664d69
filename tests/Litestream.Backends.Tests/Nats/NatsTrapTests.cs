using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Nats;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Nats;

/// <summary>Traps of backends §5 that concern NATS, and what other writers leave in a bucket.</summary>
public sealed class NatsTrapTests(NatsServerFixture server) : IClassFixture<NatsServerFixture>
{
    private const string Name11 = "ltx/0/0000000000000001-0000000000000001.ltx";
    private const string Subject11 = "bHR4LzAvMDAwMDAwMDAwMDAwMDAwMS0wMDAwMDAwMDAwMDAwMDAxLmx0eA==";

    [Fact]
    public async Task Backend_T9_A_delete_leaves_neither_chunks_nor_a_tombstone()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        LtxFileInfo[] files = [await bucket.WriteAsync(0, 1, 1), await bucket.WriteAsync(0, 2, 2, 300_000), await bucket.WriteAsync(0, 3, 3)];
        await bucket.Client.DeleteAsync(files[..2], CancellationToken.None);
        Assert.Equal(2, (await bucket.SubjectsAsync()).Count); // Chunk and metadata of the third.
        await bucket.Client.DeleteAsync(files, CancellationToken.None);
        Assert.Empty(await bucket.SubjectsAsync());
        await bucket.WriteAsync(0, 1, 1, seed: 1, mode: WriteMode.CreateOnly);
        Assert.Equal(LtxSample.Create(1, 1, seed: 1), await bucket.ReadAsync(0, 1, 1));
    }

    [Fact]
    public async Task Backend_T9_Tombstones_of_others_are_no_files_and_may_be_written_over()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        await bucket.PublishAsync(bucket.Names.Metadata(Name11), Tombstone(bucket, 1), rollup: true);
        Assert.Empty(await bucket.ListAsync(0));
        await Assert.ThrowsAsync<LtxFileNotFoundException>(() => bucket.ReadAsync(0, 1, 1));
        await bucket.WriteAsync(0, 1, 1, mode: WriteMode.CreateOnly);
        Assert.Equal(LtxSample.Create(1, 1), await bucket.ReadAsync(0, 1, 1));
        Assert.Equal(2, (await bucket.SubjectsAsync()).Count);
    }

    [Fact]
    public async Task Backend_T9_A_hundred_thousand_tombstones_hide_no_file()
    {
        const int count = 100_000;
        await using TestBucket bucket = await server.CreateBucketAsync();
        await bucket.WriteAsync(0, 1, 1);
        await Parallel.ForEachAsync(
            Enumerable.Range(2, count), new ParallelOptions { MaxDegreeOfParallelism = 256 },
            async (txid, _) => await bucket.PublishAsync(bucket.Names.Metadata($"ltx/0/{LtxSample.Name((ulong)txid, (ulong)txid)}"), Tombstone(bucket, txid)));
        await bucket.WriteAsync(0, count + 10, count + 10);
        await bucket.WriteAsync(1, 1, 7);
        Assert.Equal([1ul, count + 10ul], (await bucket.ListAsync(0)).Select(file => file.MinTxid.Value));
        Assert.Equal([7ul], (await bucket.ListAsync(1)).Select(file => file.MaxTxid.Value));
    }

    [Fact]
    public async Task Backend_T10_A_missing_bucket_is_an_error_of_its_own_and_for_good()
    {
        await using var client = new NatsReplicaClient(new NatsOptions { Url = server.Url, Bucket = "wrong" }, server.Transport);
        foreach (Func<Task> operation in (Func<Task>[])
        [
            async () => await client.InitializeAsync(CancellationToken.None),
            async () => await client.OpenAsync(0, new Txid(1), new Txid(1), 0, 0, CancellationToken.None),
            async () => await client.ListAsync(0, default, false, CancellationToken.None).ToListAsync(TestContext.Current.CancellationToken),
            async () => await client.WriteAsync(0, new Txid(1), new Txid(1), new MemoryStream(LtxSample.Create(1, 1)), WriteMode.CreateOnly, CancellationToken.None),
            async () => await client.DeleteAllAsync(CancellationToken.None),
        ])
        {
            ReplicaException missing = await Assert.ThrowsAsync<ReplicaException>(operation);
            Assert.False(missing.IsTransient);
            Assert.Contains("bucket \"wrong\"", missing.Message, StringComparison.Ordinal);
            Assert.Contains("(bucket must be created beforehand)", missing.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Backend_T10_A_bucket_that_goes_away_is_not_a_missing_file()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        await bucket.WriteAsync(0, 1, 1);
        using JsonDocument gone = await bucket.JetStream.CallAsync($"$JS.API.STREAM.DELETE.{bucket.Names.Stream}", default, CancellationToken.None);
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(() => bucket.ReadAsync(0, 1, 1));
        Assert.IsNotType<LtxFileNotFoundException>(failure);
        Assert.Contains("stream not found", failure.Message, StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<ReplicaException>(() => bucket.ListAsync(0));
    }

    [Theory]
    [InlineData("", "bucket required for NATS replica")]
    [InlineData("no.such", "no name of an object store")]
    [InlineData("a/b", "no name of an object store")]
    [InlineData("a\n", "no name of an object store")]
    public async Task Backend_T10_A_bucket_name_is_checked(string name, string message)
    {
        await using var client = new NatsReplicaClient(new NatsOptions { Url = server.Url, Bucket = name }, server.Transport);
        ReplicaException refused = await Assert.ThrowsAsync<ReplicaException>(async () => await client.InitializeAsync(CancellationToken.None));
        Assert.False(refused.IsTransient);
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
    }

    /// <summary>Objects as the released program left them: chunk sizes from the recording.</summary>
    [Fact]
    public async Task Backend_T11_Objects_with_chunks_of_any_size_are_read()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        using JsonDocument recorded = JsonDocument.Parse(await File.ReadAllBytesAsync(Fixtures.PathOf("backends/nats.json"), TestContext.Current.CancellationToken));
        int objects = 0;
        foreach (JsonElement key in recorded.RootElement.GetProperty("keys").EnumerateArray())
        {
            string name = key.GetProperty("name").GetString()!;
            string subject = key.GetProperty("subject").GetString()!.Replace("$O.main.", $"$O.{bucket.Options.Bucket}.", StringComparison.Ordinal);
            Assert.Equal(subject, bucket.Names.Metadata(name));
            (Txid min, Txid max) = ReplicaKeys.Parse(name)!.Value;
            if (key.TryGetProperty("deleted", out _))
            {
                await bucket.PublishAsync(subject, Tombstone(bucket, 1, name), rollup: true);
                continue;
            }

            int level = name[4] - '0';
            byte[] content = LtxSample.Create(min.Value, max.Value, key.GetProperty("size").GetInt32());
            await PutAsync(bucket, name, content, [.. key.GetProperty("chunkSizes").EnumerateArray().Select(size => size.GetInt32())]);
            Assert.Equal(content, await bucket.ReadAsync(level, min.Value, max.Value));
            foreach ((int offset, int size) in new[] { (0, 100), (99, 2), (100, 1), (content.Length - 17, 0), (content.Length - 1, 9), (content.Length / 2, 50) })
            {
                int length = size == 0 ? content.Length - offset : Math.Min(size, content.Length - offset);
                Assert.Equal(content.AsSpan(offset, length).ToArray(), await bucket.ReadAsync(level, min.Value, max.Value, offset, size));
            }

            LtxFileInfo listed = (await bucket.ListAsync(level)).Single(file => file.MinTxid == min && file.MaxTxid == max);
            Assert.Equal((content.Length, LtxSample.Time), (listed.Size, listed.CreatedAt));
            objects++;
        }

        Assert.True(objects > 20);
        await NatsCluster.UntilAsync(async () => await bucket.ConsumersAsync() == 0, "no consumer is left");
    }

    [Fact]
    public async Task Backend_T11_An_object_of_no_bytes_is_empty()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        await PutAsync(bucket, Name11, [], []);
        Assert.Empty(await bucket.ReadAsync(0, 1, 1));
        Assert.Equal(0, Assert.Single(await bucket.ListAsync(0)).Size);
    }

    [Fact]
    public async Task Backend_T11_A_wrong_digest_fails_before_the_last_bytes()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        byte[] content = LtxSample.Create(1, 1, 3000);
        await PutAsync(bucket, Name11, content, [100, 2900], digestOf: content[1..]);
        await using Stream stream = await bucket.Client.OpenAsync(0, new Txid(1), new Txid(1), 0, 0, CancellationToken.None);
        byte[] buffer = new byte[3000];
        await stream.ReadExactlyAsync(buffer.AsMemory(0, 2999), TestContext.Current.CancellationToken);
        ReplicaException damaged = await Assert.ThrowsAsync<ReplicaException>(async () => await stream.ReadExactlyAsync(buffer.AsMemory(0, 1), TestContext.Current.CancellationToken));
        Assert.False(damaged.IsTransient);
        Assert.Contains(Name11, damaged.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_T11_T18_An_object_that_lost_chunks_ends_with_an_error()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        byte[] content = LtxSample.Create(1, 1, 3000);
        await PutAsync(bucket, Name11, content, [100, 1000], chunks: 3);
        ReplicaException cut = await Assert.ThrowsAsync<ReplicaException>(() => bucket.ReadAsync(0, 1, 1));
        Assert.True(cut.IsTransient);
        Assert.IsNotType<LtxFileNotFoundException>(cut);
    }

    /// <summary>What we store is what upstream stores: subjects, roll-up, JSON, digest, full chunks.</summary>
    [Fact]
    public async Task Stored_objects_have_the_layout_of_the_released_program()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        byte[] content = LtxSample.Create(1, 1, 300_000);
        await bucket.WriteAsync(0, 1, 1, LtxSample.Create(1, 1, seed: 3));
        await bucket.WriteAsync(0, 1, 1, content);
        Dictionary<string, long> subjects = await bucket.SubjectsAsync();
        Assert.Equal(1, subjects[$"$O.{bucket.Options.Bucket}.M.{Subject11}"]);
        Assert.Equal(2, subjects.Count); // The chunks of the first version are gone.
        StoredMessage message = (await bucket.JetStream.GetLastAsync(bucket.Names.Metadata(Name11), CancellationToken.None))!.Value;
        using JsonDocument json = JsonDocument.Parse(message.Data.Memory);
        JsonElement root = json.RootElement;
        string nuid = root.GetProperty("nuid").GetString()!;
        Assert.Equal(22, nuid.Length);
        Assert.Equal(3, subjects[$"$O.{bucket.Options.Bucket}.C.{nuid}"]);
        Assert.Equal(
            ["name", "headers", "options", "bucket", "nuid", "size", "mtime", "chunks", "digest"], root.EnumerateObject().Select(member => member.Name));
        Assert.Equal(Name11, root.GetProperty("name").GetString());
        Assert.Equal("2024-01-02T03:04:05.678Z", root.GetProperty("headers").GetProperty("Litestream-Timestamp")[0].GetString());
        Assert.Equal(131072, root.GetProperty("options").GetProperty("max_chunk_size").GetInt32());
        Assert.Equal(bucket.Options.Bucket, root.GetProperty("bucket").GetString());
        Assert.Equal((300_000, 3), (root.GetProperty("size").GetInt32(), root.GetProperty("chunks").GetInt32()));
        Assert.Equal("0001-01-01T00:00:00Z", root.GetProperty("mtime").GetString());
        Assert.Equal("SHA-256=" + Base64(SHA256.HashData(content)), root.GetProperty("digest").GetString());
        ulong[] sequences = [.. await SequencesAsync(bucket, nuid)];
        int[] sizes = await Task.WhenAll(sequences.Select(async s => (await bucket.JetStream.GetAsync(s, CancellationToken.None))!.Value.Data.Length));
        Assert.Equal([131072, 131072, 300_000 - 262_144], sizes);
    }

    /// <summary>Ranges of our objects are read by the map of their chunks; a map that is wrong costs time, never bytes.</summary>
    [Theory]
    [InlineData("131072 0:1")]
    [InlineData("131072 0:999999")]
    [InlineData("100000 0:2 1:4 2:5")]
    [InlineData("1 0:1")]
    [InlineData("0 0:1")]
    [InlineData("131072")]
    [InlineData("131072 1:5")]
    [InlineData("131072 0:4 x")]
    public async Task A_wrong_map_of_chunks_does_not_matter(string map)
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        byte[] content = LtxSample.Create(1, 1, 300_000);
        await PutAsync(bucket, Name11, content, [131072, 131072, 37856], map: map);
        Assert.Equal(content, await bucket.ReadAsync(0, 1, 1));
        Assert.Equal(content[200_000..200_500], await bucket.ReadAsync(0, 1, 1, 200_000, 500));
        Assert.Equal(content[^16..], await bucket.ReadAsync(0, 1, 1, content.Length - 16));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)] // Buckets of old programs have no direct reads.
    public async Task Ranges_of_objects_whose_chunks_lie_scattered(bool allowDirect)
    {
        await using TestBucket bucket = await server.CreateBucketAsync(allowDirect);
        await Task.WhenAll(Enumerable.Range(1, 4).Select(txid => bucket.WriteAsync(1, (ulong)txid, (ulong)txid, size: 2_000_000 + txid)));
        foreach (int txid in Enumerable.Range(1, 4))
        {
            byte[] content = LtxSample.Create((ulong)txid, (ulong)txid, 2_000_000 + txid);
            Assert.Equal(content, await bucket.ReadAsync(1, (ulong)txid, (ulong)txid));
            for (int offset = 0; offset < content.Length; offset += 99_991)
            {
                int size = Math.Min(150_000, content.Length - offset);
                Assert.Equal(content.AsSpan(offset, size).ToArray(), await bucket.ReadAsync(1, (ulong)txid, (ulong)txid, offset, size));
            }
        }
    }

    [Fact]
    public async Task Backend_T18_Nothing_behind_the_end_is_not_a_missing_file()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        await bucket.WriteAsync(0, 1, 1);
        Assert.Empty(await bucket.ReadAsync(0, 1, 1, 300, 0));
        Assert.Empty(await bucket.ReadAsync(0, 1, 1, long.MaxValue, long.MaxValue));
        Assert.Equal(200, (await bucket.ReadAsync(0, 1, 1, 100, long.MaxValue)).Length);
    }

    /// <summary>Deleted under a reader's feet: what was read stays, then an error, and the next open says that it is gone.</summary>
    [Fact]
    public async Task Backend_T18_A_file_deleted_while_it_is_read()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        LtxFileInfo file = await bucket.WriteAsync(9, 1, 5, size: 4 << 20);
        ResumableReader reader = ResumableReader.ForReplica(bucket.Client, file, TimeProvider.System);
        await using Stream stream = reader.AsStream();
        byte[] buffer = new byte[100];
        await stream.ReadExactlyAsync(buffer, TestContext.Current.CancellationToken);
        await bucket.Client.DeleteAsync([file], CancellationToken.None);
        await Assert.ThrowsAsync<LtxFileNotFoundException>(async () => await stream.CopyToAsync(Stream.Null, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Backend_T19_Thousands_of_files_are_listed_among_foreign_objects()
    {
        const int count = 3_000;
        await using TestBucket bucket = await server.CreateBucketAsync();
        foreach (string foreign in (string[])["other", "ltx/0/notes.txt", "ltx/0/sub/0000000000000009-0000000000000009.ltx", "ltx/00/0000000000000009-0000000000000009.ltx"])
        {
            await PutAsync(bucket, foreign, [1], [1]);
        }

        await bucket.PublishAsync($"$O.{bucket.Options.Bucket}.M.bHR4LzAvAAAA", Encoding.UTF8.GetBytes("no JSON"));
        await Parallel.ForEachAsync(
            Enumerable.Range(1, count), new ParallelOptions { MaxDegreeOfParallelism = 16 },
            async (txid, _) => await bucket.WriteAsync(0, (ulong)txid, (ulong)txid, size: 130, mode: WriteMode.CreateOnly));
        Assert.Equal(Enumerable.Range(1, count), (await bucket.ListAsync(0)).Select(file => (int)file.MinTxid.Value));
    }

    /// <summary>Faster than one can ask: a reader who wants to see nothing more come never gets there.</summary>
    [Fact]
    public async Task Backend_T19_A_listing_from_afar_ends_while_others_write_without_a_pause()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        await bucket.WriteAsync(0, 1, 1);
        await using var proxy = new DelayProxy(server.Port, TimeSpan.FromMilliseconds(25));
        await using var far = new NatsReplicaClient(bucket.Options with { Url = $"nats://127.0.0.1:{proxy.Port}" }, server.Transport);
        using var stop = new CancellationTokenSource();
        Task writing = Task.Run(async () =>
        {
            for (int txid = 2; !stop.IsCancellationRequested; txid++)
            {
                await bucket.PublishAsync(bucket.Names.Metadata($"ltx/1/{LtxSample.Name((ulong)txid, (ulong)txid)}"), Tombstone(bucket, txid));
            }
        });
        try
        {
            Task<List<LtxFileInfo>> listing = far.ListAsync(0, default, false, CancellationToken.None).ToListAsync(CancellationToken.None).AsTask();
            Assert.Single(await listing.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        }
        finally
        {
            await stop.CancelAsync();
            await writing;
        }
    }

    /// <summary>A connection that is alive and silent; the protocol's own ping would find that out after minutes.</summary>
    [Fact]
    public async Task A_server_that_hangs_is_left_for_another_one()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        await bucket.WriteAsync(0, 1, 1);
        await using var hanging = new DelayProxy(server.Port, TimeSpan.Zero);
        NatsReplicaClient client;
        do
        {
            // Which of the two it connects to first is chance.
            client = new NatsReplicaClient(bucket.Options with { Url = $"nats://127.0.0.1:{hanging.Port},{server.Url}" }, server.Transport);
            await client.InitializeAsync(CancellationToken.None);
            if (hanging.Connections == 0)
            {
                await client.DisposeAsync();
            }
        }
        while (hanging.Connections == 0);

        await using (client)
        {
            hanging.Freeze();
            Task listing = client.ListAsync(0, default, false, CancellationToken.None).ToListAsync(CancellationToken.None).AsTask();
            Task writing = client.WriteAsync(0, new Txid(2), new Txid(2), new MemoryStream(LtxSample.Create(2, 2, 700_000)), WriteMode.CreateOnly, CancellationToken.None).AsTask();
            await Task.WhenAll(listing, writing).WaitAsync(TimeSpan.FromSeconds(50), TestContext.Current.CancellationToken);
        }

        Assert.Equal(LtxSample.Create(2, 2, 700_000), await bucket.ReadAsync(0, 2, 2));
        hanging.Thaw();
    }

    [Fact]
    public async Task Backend_T19_A_listing_that_breaks_off_is_an_error()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        await bucket.WriteAsync(0, 1, 1);
        using var cancellation = new CancellationTokenSource();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await bucket.Client.ListAsync(0, default, false, cancellation.Token).ToListAsync(CancellationToken.None));
        var reader = new ConsumerReader(bucket.JetStream, bucket.Names.AllMetadata, 0);
        await reader.PullAsync(1, CancellationToken.None);
        await reader.DisposeAsync(); // Its consumer is gone: the next answer is missing, not empty.
        await NatsCluster.UntilAsync(async () => await bucket.ConsumersAsync() == 0, "the consumer is gone");
        await Assert.ThrowsAsync<ReplicaException>(async () => await reader.PullAsync(1, CancellationToken.None));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Backend_T8_An_upload_that_breaks_off_leaves_no_chunks(bool seekable)
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        Stream content = new MemoryStream(LtxSample.Create(1, 1, 3_000_000));
        Stream source = seekable ? new BrokenStream(content, 2_000_000) : new CutStream(content, 2_000_000, new IOException("source broke"));
        IOException broken = await Assert.ThrowsAsync<IOException>(
            async () => await bucket.Client.WriteAsync(0, new Txid(1), new Txid(1), source, WriteMode.Overwrite, CancellationToken.None));
        Assert.Equal("source broke", broken.Message);
        Assert.Empty(await bucket.SubjectsAsync());
    }

    [Fact]
    public async Task A_refused_second_writer_leaves_no_chunks()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        await bucket.WriteAsync(0, 1, 1, mode: WriteMode.CreateOnly);
        await Assert.ThrowsAsync<ReplicaConflictException>(() => bucket.WriteAsync(0, 1, 1, seed: 1, mode: WriteMode.CreateOnly));
        await bucket.WriteAsync(0, 1, 1, mode: WriteMode.CreateOnly);
        Assert.Equal(2, (await bucket.SubjectsAsync()).Count);
    }

    /// <summary>A thousand databases on one server need one connection.</summary>
    [Fact]
    public async Task Clients_of_one_server_and_user_share_a_connection()
    {
        var options = new NatsOptions { Url = server.Url, Bucket = "a", RootCas = [] };
        SharedLink first = SharedLink.Of(server.Transport, options with { Username = "x" });
        SharedLink second = SharedLink.Of(server.Transport, options with { Username = "x", Bucket = "b", RootCas = [] });
        SharedLink other = SharedLink.Of(server.Transport, options with { Username = "y" });
        Assert.Same(first, second);
        Assert.NotSame(first, other);
        NATS.Client.Core.NatsConnection connection = await first.Link.OpenAsync(CancellationToken.None);
        await first.ReleaseAsync();
        Assert.Same(connection, await second.Link.OpenAsync(CancellationToken.None));
        await second.ReleaseAsync();
        await other.ReleaseAsync();
        await Assert.ThrowsAnyAsync<Exception>(async () => await connection.PingAsync(CancellationToken.None)); // Closed with the last client.
        SharedLink again = SharedLink.Of(server.Transport, options with { Username = "x" });
        Assert.NotSame(first, again);
        await again.ReleaseAsync();
    }

    [Fact]
    public async Task Delete_all_leaves_what_is_not_ours()
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        await PutAsync(bucket, "other", [1, 2, 3], [3]);
        await bucket.WriteAsync(0, 1, 1);
        await bucket.WriteAsync(9, 1, 1);
        await PutAsync(bucket, "ltx/notes", [1], [1]);
        await bucket.Client.DeleteAllAsync(CancellationToken.None);
        Assert.Equal(["$O." + bucket.Options.Bucket + ".C.other", bucket.Names.Metadata("other")], (await bucket.SubjectsAsync()).Keys.Order());
    }

    [Fact]
    public async Task Backend_T35_Operations_are_counted()
    {
        var counted = new HashSet<(string, string, string)>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == "Litestream")
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Note(instrument, tags));
        listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Note(instrument, tags));
        listener.Start();
        await using TestBucket bucket = await server.CreateBucketAsync();
        LtxFileInfo file = await bucket.WriteAsync(0, 1, 1);
        await bucket.ReadAsync(0, 1, 1);
        await bucket.ListAsync(0);
        await bucket.Client.DeleteAsync([file], CancellationToken.None);
        lock (counted)
        {
            foreach (string operation in (string[])["PUT", "GET", "LIST", "DELETE"])
            {
                Assert.Contains(("litestream_replica_operation_total", "nats", operation), counted);
            }

            Assert.Contains(("litestream_replica_operation_bytes", "nats", "PUT"), counted);
            Assert.Contains(("litestream_replica_operation_bytes", "nats", "GET"), counted);
            Assert.Contains(("litestream_replica_operation_duration_seconds", "nats", "DELETE"), counted);
        }

        void Note(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var values = tags.ToArray().ToDictionary(tag => tag.Key, tag => (string)tag.Value!);
            lock (counted)
            {
                counted.Add((instrument.Name, values["replica_type"], values["operation"]));
            }
        }
    }

    private static ReadOnlyMemory<byte> Tombstone(TestBucket bucket, int number, string? name = null) => Encoding.UTF8.GetBytes(
        $$"""{"name":"{{name ?? $"ltx/0/{LtxSample.Name((ulong)number, (ulong)number)}"}}","headers":{"Litestream-Timestamp":["2024-01-02T03:04:05Z"]},"options":{"max_chunk_size":131072},"bucket":"{{bucket.Options.Bucket}}","nuid":"gone{{number}}","size":0,"mtime":"0001-01-01T00:00:00Z","chunks":0,"deleted":true}""");

    /// <summary>Stores an object message by message; the last part of its name is its chunks' identifier.</summary>
    private static async Task PutAsync(
        TestBucket bucket, string name, byte[] content, int[] chunkSizes, byte[]? digestOf = null, int? chunks = null, string? map = null)
    {
        string nuid = name[(name.LastIndexOf('/') + 1)..].Replace('.', '-');
        int at = 0;
        foreach (int size in chunkSizes)
        {
            await bucket.PublishAsync(bucket.Names.Chunks(nuid), content.AsMemory(at, size));
            at += size;
        }

        string mapHeader = map is null ? "" : $""","Litestream-Chunks":["{map}"]""";
        await bucket.PublishAsync(
            bucket.Names.Metadata(name),
            Encoding.UTF8.GetBytes($$$"""{"name":"{{{name}}}","description":null,"headers":{"Litestream-Timestamp":["2024-01-02T03:04:05.678Z"]{{{mapHeader}}}},"options":{"max_chunk_size":131072},"bucket":"{{{bucket.Options.Bucket}}}","nuid":"{{{nuid}}}","size":{{{content.Length}}},"mtime":"0001-01-01T00:00:00Z","chunks":{{{chunks ?? chunkSizes.Length}}},"digest":"SHA-256={{{Base64(SHA256.HashData(digestOf ?? content))}}}"}"""),
            rollup: true);
    }

    private static async Task<List<ulong>> SequencesAsync(TestBucket bucket, string nuid)
    {
        List<ulong> sequences = [];
        await using var reader = new ConsumerReader(bucket.JetStream, bucket.Names.Chunks(nuid), 1);
        foreach (StoredMessage message in await reader.PullAsync(100, CancellationToken.None))
        {
            sequences.Add(message.Sequence);
        }

        return sequences;
    }

    private static string Base64(byte[] bytes) => Convert.ToBase64String(bytes).Replace('+', '-').Replace('/', '_');

    /// <summary>Seekable, and broken at the same place every time.</summary>
    private sealed class BrokenStream(Stream inner, long bytes) : MemoryStream(ToArray(inner))
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => Position >= bytes
            ? throw new IOException("source broke")
            : base.ReadAsync(buffer[..(int)Math.Min(buffer.Length, bytes - Position)], cancellationToken);

        private static byte[] ToArray(Stream inner) => ((MemoryStream)inner).ToArray();
    }
}
