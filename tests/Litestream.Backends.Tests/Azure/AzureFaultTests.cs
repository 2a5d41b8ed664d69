using System.Security.Cryptography;
using System.Text;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Azure;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;
using Xunit;
using static Litestream.Backends.Tests.Azure.AzureSupport;

namespace Litestream.Backends.Tests.Azure;

/// <summary>What the emulator never does: throttling, lost answers, pages without blobs, silence.</summary>
public sealed class AzureFaultTests
{
    private static readonly TimeSpan ShortIdle = TimeSpan.FromMilliseconds(300);

    [Fact]
    public async Task Requests_are_those_of_the_released_program()
    {
        await using var stub = new StubBlobServer(_ => new StubAnswer(201));
        using StorageTransport transport = Transport();
        await using var client = new AzureReplicaClient(StubOptions(stub) with { BlockSize = 1024 }, transport);
        await WriteAsync(client, 1, 1, 1024);
        await WriteAsync(client, 2, 3, 1500, mode: WriteMode.CreateOnly);
        IReadOnlyList<StubRequest> requests = stub.Requests;
        Assert.Equal(4, requests.Count);
        Assert.All(requests, request =>
        {
            Assert.Equal("PUT", request.Method);
            Assert.StartsWith("litestream ", request.Headers["User-Agent"], StringComparison.Ordinal);
            Assert.StartsWith("SharedKey acct:", request.Headers["Authorization"], StringComparison.Ordinal);
            Assert.False(request.Headers.ContainsKey("Transfer-Encoding"));
        });

        StubRequest whole = requests[0];
        Assert.Equal("/box/db%2Fltx%2F0%2F0000000000000001-0000000000000001.ltx", whole.Target);
        Assert.Equal(LtxSample.Create(1, 1, 1024), whole.Body);
        Assert.Equal("BlockBlob", whole.Headers["x-ms-blob-type"]);
        Assert.Equal("application/octet-stream", whole.Headers["Content-Type"]);
        Assert.False(whole.Headers.ContainsKey("If-None-Match"));

        StubRequest[] blocks = [.. requests.Where(request => request.Target.Contains("comp=block&", StringComparison.Ordinal)).OrderByDescending(request => request.Body.Length)];
        Assert.Equal(LtxSample.Create(2, 3, 1500), blocks.SelectMany(block => block.Body));
        string[] ids = [.. blocks.Select(block => Uri.UnescapeDataString(block.Target[(block.Target.IndexOf("blockid=", StringComparison.Ordinal) + 8)..]))];
        Assert.All(ids, id => Assert.Equal(64, Convert.FromBase64String(id).Length));

        StubRequest list = requests[3];
        Assert.Equal("/box/db%2Fltx%2F0%2F0000000000000002-0000000000000003.ltx?comp=blocklist", list.Target);
        Assert.Contains($"<BlockList><Latest>{ids[0]}</Latest><Latest>{ids[1]}</Latest></BlockList>", Encoding.UTF8.GetString(list.Body), StringComparison.Ordinal);
        Assert.Equal("application/octet-stream", list.Headers["x-ms-blob-content-type"]);
        Assert.Equal("*", list.Headers["If-None-Match"]);
        foreach (StubRequest visible in (StubRequest[])[whole, list])
        {
            Assert.Equal("Hot", visible.Headers["x-ms-access-tier"]);
            Assert.Equal("2024-01-02T03:04:05.678Z", visible.Headers["x-ms-meta-litestreamtimestamp"]);
        }
    }

    /// <summary>The service has the account in its host name, an emulator in the path: the signed resource differs.</summary>
    [Theory]
    [InlineData("", "/acct/box")]
    [InlineData("/acct", "/acct/acct/box")]
    public async Task Signatures_are_those_of_the_service_for_both_kinds_of_endpoint(string path, string resource)
    {
        await using var stub = new StubBlobServer(request => request.Method == "GET" ? new StubAnswer(200, Page("")) : new StubAnswer(201));
        using StorageTransport transport = Transport();
        await using var client = new AzureReplicaClient(StubOptions(stub, "a b") with { Endpoint = stub.Endpoint + path }, transport);
        await WriteAsync(client, 1, 1);
        await ListAsync(client);
        string[] resources =
        [
            resource + "/a%20b%2Fltx%2F0%2F" + LtxSample.Name(1, 1),
            resource + "\ncomp:list\ninclude:metadata\nmaxresults:5000\nprefix:a b/ltx/0/\nrestype:container",
        ];
        foreach ((StubRequest request, string canonical) in stub.Requests.Zip(resources))
        {
            string headers = string.Concat(request.Headers.Where(header => header.Key.StartsWith("x-ms-", StringComparison.OrdinalIgnoreCase))
                .OrderBy(header => header.Key, StringComparer.Ordinal).Select(header => $"{header.Key.ToLowerInvariant()}:{header.Value}\n"));
            string length = request.Body.Length > 0 ? $"{request.Body.Length}" : "";
            string text = $"{request.Method}\n\n\n{length}\n\n{request.Headers.GetValueOrDefault("Content-Type")}\n\n\n\n\n\n\n{headers}{canonical}";
            byte[] signature = HMACSHA256.HashData(Convert.FromBase64String(AzuriteServer.Key), Encoding.UTF8.GetBytes(text));
            Assert.Equal("SharedKey acct:" + Convert.ToBase64String(signature), request.Headers["Authorization"]);
        }
    }

    [Fact]
    public async Task Backend_T1_T19_The_listing_asks_for_the_whole_level_and_goes_on_behind_empty_pages()
    {
        string[] pages = [Page("p1"), Page("p2", Name(1)), Page("p3"), Page("", Name(2), Name(3))];
        await using var stub = new StubBlobServer(request => new StubAnswer(200, pages[MarkerOf(request)]));
        using StorageTransport transport = Transport();
        await using var client = new AzureReplicaClient(StubOptions(stub), transport);
        Assert.Equal([2, 3], (await ListAsync(client, seek: 2)).Select(file => (int)file.MinTxid.Value));
        Assert.Equal(4, stub.Requests.Count);
        Assert.All(stub.Requests, request => Assert.Contains("include=metadata&maxresults=5000&prefix=db%2Fltx%2F0%2F", request.Target, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Backend_T19_A_failure_in_the_middle_of_a_listing_is_never_its_end()
    {
        await using var stub = new StubBlobServer(request => MarkerOf(request) == 0 ? new StubAnswer(200, Page("p1", Name(1))) : StubAnswer.Error(400, "OutOfRangeInput"));
        await using var broken = new StubBlobServer(_ => new StubAnswer(200, "<?xml version=\"1.0\"?><EnumerationResults><Blobs>"));
        await using var endless = new StubBlobServer(_ => new StubAnswer(200, Page("again")));
        await using var foreign = new StubBlobServer(_ => new StubAnswer(200, Page("", "other/ltx/0/" + LtxSample.Name(1, 1))));
        foreach (StubBlobServer server in (StubBlobServer[])[stub, broken, endless, foreign])
        {
            using StorageTransport transport = Transport(attempts: 2);
            await using var client = new AzureReplicaClient(StubOptions(server), transport);
            await Assert.ThrowsAsync<ReplicaException>(() => ListAsync(client));
        }
    }

    [Fact]
    public async Task Backend_T18_A_range_behind_the_end_is_empty_and_a_missing_container_is_no_missing_file()
    {
        StubAnswer answer = StubAnswer.Error(416, "InvalidRange");
        await using var stub = new StubBlobServer(_ => answer);
        using StorageTransport transport = Transport();
        await using var client = new AzureReplicaClient(StubOptions(stub), transport);
        Assert.Empty(await ReadAsync(client, 1, 1, offset: 500));
        Assert.Equal("bytes=500-", stub.Requests[0].Headers["x-ms-range"]);
        answer = StubAnswer.Error(404, "BlobNotFound");
        await Assert.ThrowsAsync<LtxFileNotFoundException>(() => ReadAsync(client, 1, 1, offset: 500, size: 100));
        Assert.Equal("bytes=500-599", stub.Requests[1].Headers["x-ms-range"]);
        foreach (StubAnswer other in (StubAnswer[])[StubAnswer.Error(404, "ContainerNotFound"), new StubAnswer(404), StubAnswer.Error(403, "AuthorizationFailure"), StubAnswer.Error(409, "BlobArchived")])
        {
            answer = other;
            Assert.False((await Assert.ThrowsAsync<ReplicaException>(() => ReadAsync(client, 1, 1))).IsTransient);
        }

        // A proxy that drops the range.
        answer = new StubAnswer(200, LtxSample.Create(1, 1), []);
        Assert.Equal(LtxSample.Create(1, 1)[100..150], await ReadAsync(client, 1, 1, offset: 100, size: 50));
        Assert.Equal(LtxSample.Create(1, 1)[100..], await ReadAsync(client, 1, 1, offset: 100));
    }

    [Fact]
    public async Task Failures_are_repeated_with_the_same_bytes_and_by_nobody_else()
    {
        int count = 0;
        await using var stub = new StubBlobServer(_ => Interlocked.Increment(ref count) < 4 ? StubAnswer.Error(500, "InternalError") : new StubAnswer(201));
        using StorageTransport transport = Transport(attempts: 10);
        await using var client = new AzureReplicaClient(StubOptions(stub), transport);
        await WriteAsync(client, 1, 1, 5000);
        Assert.Equal(4, stub.Requests.Count);
        Assert.All(stub.Requests, request => Assert.Equal(LtxSample.Create(1, 1, 5000), request.Body));

        await using var dead = new StubBlobServer(_ => StubAnswer.Error(503, "ServerBusy", ("Retry-After", "7")));
        using StorageTransport once = Transport();
        await using var throttled = new AzureReplicaClient(StubOptions(dead), once);
        ThrottledException error = await Assert.ThrowsAsync<ThrottledException>(() => ListAsync(throttled));
        Assert.Equal(TimeSpan.FromSeconds(7), error.RetryAfter);
        Assert.Single(dead.Requests);
    }

    [Fact]
    public async Task An_answer_that_breaks_off_is_an_error_and_asked_for_once()
    {
        byte[] content = LtxSample.Create(1, 1, 5000);
        await using var stub = new StubBlobServer(_ => new StubAnswer(200, content[..1000], [], Length: 5000));
        using StorageTransport transport = Transport(attempts: 10);
        await using var client = new AzureReplicaClient(StubOptions(stub), transport);
        await Assert.ThrowsAnyAsync<IOException>(() => ReadAsync(client, 1, 1));
        Assert.Single(stub.Requests);
    }

    [Fact]
    public async Task Silence_ends_every_kind_of_request()
    {
        byte[] content = LtxSample.Create(1, 1, 5000);
        await using var body = new StubBlobServer(_ => new StubAnswer(200, content[..1000], [], Length: 5000, Stall: true));
        await using var list = new StubBlobServer(_ => new StubAnswer(200, Encoding.UTF8.GetBytes(Page("", Name(1)))[..100], [], Length: 5000, Stall: true));
        await using var head = new StubBlobServer(_ => (StubAnswer?)null);
        await using var sink = new StubBlobServer(_ => (StubAnswer?)null) { NeverReadsBodies = true };
        using StorageTransport transport = Transport(idle: ShortIdle);
        foreach ((StubBlobServer stub, Func<AzureReplicaClient, Task> call) in ((StubBlobServer, Func<AzureReplicaClient, Task>)[])
            [
                (body, client => ReadAsync(client, 1, 1)), (list, client => ListAsync(client)), (head, client => ReadAsync(client, 1, 1)),
                (head, client => WriteAsync(client, 1, 1)), (sink, client => WriteAsync(client, 1, 1, 32 << 20)),
            ])
        {
            await using var client = new AzureReplicaClient(StubOptions(stub) with { BlockSize = 64 << 20 }, transport);
            ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(() => call(client));
            Assert.True(error.IsTransient);
            Assert.Contains("no byte", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_lost_answer_to_a_creation_is_recognised()
    {
        byte[] stored = LtxSample.Create(1, 1);
        await using var stub = new StubBlobServer(request => request.Method == "PUT"
            ? StubAnswer.Error(409, "BlobAlreadyExists")
            : new StubAnswer(206, stored[^16..], []));
        using StorageTransport transport = Transport();
        await using var client = new AzureReplicaClient(StubOptions(stub), transport);
        await WriteAsync(client, 1, 1, mode: WriteMode.CreateOnly);
        Assert.Equal("bytes=284-300", stub.Requests[1].Headers["x-ms-range"]);
        await Assert.ThrowsAsync<ReplicaConflictException>(() => WriteAsync(client, 1, 1, mode: WriteMode.CreateOnly, seed: 1));
        ReplicaException refused = await Assert.ThrowsAsync<ReplicaException>(() => WriteAsync(client, 1, 1));
        Assert.False(refused.IsTransient);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public async Task So_many_blocks_are_in_flight_as_wanted(int concurrency)
    {
        int flying = 0;
        int most = 0;
        var gate = new Lock();
        var full = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var stub = new StubBlobServer(async request =>
        {
            if (request.Target.Contains("comp=block&", StringComparison.Ordinal))
            {
                lock (gate)
                {
                    most = Math.Max(most, ++flying);
                    if (flying == concurrency)
                    {
                        full.TrySetResult();
                    }
                }

                await full.Task;
                lock (gate)
                {
                    flying--;
                }
            }

            return new StubAnswer(201);
        });
        using StorageTransport transport = Transport();
        await using var client = new AzureReplicaClient(StubOptions(stub) with { BlockSize = 1024, Concurrency = concurrency }, transport);
        await WriteAsync(client, 1, 1, 20 * 1024);
        Assert.Equal(concurrency, most);
        Assert.Equal(21, stub.Requests.Count);
    }

    [Fact]
    public async Task A_failed_block_stops_the_upload_before_its_list()
    {
        await using var stub = new StubBlobServer(request =>
            request.Body.Length < 1024 ? StubAnswer.Error(403, "AuthorizationFailure") : new StubAnswer(201));
        using StorageTransport transport = Transport();
        await using var client = new AzureReplicaClient(StubOptions(stub) with { BlockSize = 1024 }, transport);
        await Assert.ThrowsAsync<ReplicaException>(() => WriteAsync(client, 1, 1, 5000));
        Assert.DoesNotContain(stub.Requests, request => request.Target.Contains("comp=blocklist", StringComparison.Ordinal));
    }

    /// <summary>At 4 MiB a block, 50,000 blocks are 195 GiB: above it the blocks grow, and their number stays below the limit.</summary>
    [Theory]
    [InlineData(100L << 20)]
    [InlineData(48L << 30)]
    [InlineData(200L << 30)]
    [InlineData(4L << 40)]
    public void No_size_needs_more_blocks_than_there_are(long bytes)
    {
        using var source = new BoundedSource(bytes);
        long size = UploadPartSize.For(AzureOptions.DefaultBlockSize, source, 100, 45_000);
        Assert.InRange((bytes + 100 + size - 1) / size, 1, 45_000);
        Assert.True(size == AzureOptions.DefaultBlockSize || bytes > 45_000 * AzureOptions.DefaultBlockSize);
    }

    [Fact]
    public async Task Two_hundred_files_are_read_over_no_more_connections_than_allowed()
    {
        byte[] content = LtxSample.Create(1, 1, 3000);
        await using var stub = new StubBlobServer(async _ =>
        {
            await Task.Yield();
            return new StubAnswer(200, content, []);
        });
        using StorageTransport transport = Transport(maxConnections: 8);
        await using var client = new AzureReplicaClient(StubOptions(stub), transport);
        await Task.WhenAll(Enumerable.Range(1, 200).Select(async n => Assert.Equal(content, await ReadAsync(client, (ulong)n, (ulong)n))));
        Assert.Equal(200, stub.Requests.Count);
        Assert.InRange(stub.MostOpen, 1, 8);
    }

    [Fact]
    public async Task Delete_all_passes_over_the_folders_of_a_hierarchical_account()
    {
        string page = Page("", "db/ltx", "db/ltx/0/x").Replace("</Properties></Blob><Blob>", "</Properties><Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob><Blob>", StringComparison.Ordinal);
        await using var stub = new StubBlobServer(request => request.Method == "GET" ? new StubAnswer(200, page) : new StubAnswer(202));
        using StorageTransport transport = Transport();
        await using var client = new AzureReplicaClient(StubOptions(stub), transport);
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.Equal(["/box/db%2Fltx%2F0%2Fx"], stub.Requests.Where(request => request.Method == "DELETE").Select(request => request.Target));
    }

    [Fact]
    public async Task Backend_T19_Delete_all_goes_on_behind_empty_pages()
    {
        string[] pages = [Page("p1", "db/a"), Page("p2"), Page("", "db/b", "db/c")];
        await using var stub = new StubBlobServer(request => request.Method == "GET" ? new StubAnswer(200, pages[MarkerOf(request)]) : new StubAnswer(202));
        using StorageTransport transport = Transport();
        await using var client = new AzureReplicaClient(StubOptions(stub), transport);
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.Equal(
            ["/box/db%2Fa", "/box/db%2Fb", "/box/db%2Fc"],
            stub.Requests.Where(request => request.Method == "DELETE").Select(request => request.Target).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_delete_stops_at_an_error_and_says_which_blob()
    {
        await using var stub = new StubBlobServer(_ => StubAnswer.Error(409, "BlobImmutableDueToPolicy"));
        using StorageTransport transport = Transport();
        await using var client = new AzureReplicaClient(StubOptions(stub), transport);
        await client.DeleteAsync([], CancellationToken.None);
        Assert.Empty(stub.Requests);
        ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(
            async () => await client.DeleteAsync([new LtxFileInfo(0, new Txid(1), new Txid(2), 1, default)], CancellationToken.None));
        Assert.Contains(LtxSample.Name(1, 2), error.Message, StringComparison.Ordinal);
        Assert.Contains("immutability policy", error.Message, StringComparison.Ordinal);
    }

    private static string Name(ulong txid) => "db/ltx/0/" + LtxSample.Name(txid, txid);

    private static int MarkerOf(StubRequest request)
    {
        int at = request.Target.IndexOf("marker=p", StringComparison.Ordinal);
        return at < 0 ? 0 : request.Target[at + 8] - '0';
    }

    private static string Page(string next, params string[] names) =>
        "\uFEFF<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"x\"><Prefix>p</Prefix><Blobs>"
        + string.Concat(names.Select(name => $"<Blob><Name>{name}</Name><Properties><Last-Modified>Wed, 09 Sep 2009 09:20:02 GMT</Last-Modified><Content-Length>300</Content-Length></Properties></Blob>"))
        + $"</Blobs>{(next.Length > 0 ? $"<NextMarker>{next}</NextMarker>" : "<NextMarker />")}</EnumerationResults>";

    private sealed class BoundedSource(long bytes) : MemoryStream, ILengthBound
    {
        public long MaxLength => bytes;
    }
}
