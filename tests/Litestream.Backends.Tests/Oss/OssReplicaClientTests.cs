using System.Diagnostics.Metrics;
using System.Globalization;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.S3.Oss;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Oss;

/// <summary>The contract and the traps of OSS, on a stub that checks every signature by itself.</summary>
public sealed class OssReplicaClientTests : IAsyncLifetime
{
    private readonly OssStub _server = new();
    private readonly StorageTransport _transport = new(new TransportOptions
    {
        Retry = new RetryOptions(4, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(5)),
        GetVariable = _ => null,
    });

    public static TheoryData<string> Cases => [.. ReplicaClientContract.Cases.Select(c => c.Name)];

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        _transport.Dispose();
        await _server.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Contract(string name)
    {
        await using OssReplicaClient client = Client("db");
        await ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
        Assert.Equal(0, _server.OpenUploads);
    }

    [Theory]
    [InlineData("db", "db/0009/0000000000000001-00000000000003e8.ltx")]
    [InlineData("db/", "db//0009/0000000000000001-00000000000003e8.ltx")]
    [InlineData(".", "./0009/0000000000000001-00000000000003e8.ltx")]
    [InlineData("a/../ü b+%20&<", "a/../ü b+%20&</0009/0000000000000001-00000000000003e8.ltx")]
    public async Task Backend_T3_keys_are_exact_and_signed_as_sent(string path, string key)
    {
        await using OssReplicaClient client = Client(path);
        byte[] content = LtxSample.Create(1, 1000);
        LtxFileInfo file = await WriteAsync(client, 9, 1, 1000, content);
        Assert.Equal([key], _server.Objects.Keys);
        Assert.Equal(content, await ReadAsync(client, 9, 1, 1000));
        Assert.Equal([file], await ListAsync(client, 9, accurate: true));
        Assert.Single(await ListAsync(client, 9, seek: 1));
        await client.DeleteAsync([file], CancellationToken.None);
        Assert.Empty(_server.Objects);
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("/db")]
    public async Task A_path_with_a_leading_slash_is_refused_at_the_start(string path)
    {
        await using OssReplicaClient client = Client(path);
        ReplicaException e = await Assert.ThrowsAsync<ReplicaException>(async () => await client.InitializeAsync(CancellationToken.None));
        Assert.False(e.IsTransient);
        Assert.Contains("must not begin with a slash", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_that_cannot_work_are_refused_at_the_start()
    {
        OssOptions good = Options("db");
        foreach ((OssOptions options, string message) in new[]
        {
            (good with { Bucket = "" }, "bucket required for oss replica"),
            (good with { PartSize = 102_399 }, "part size must be at least 102400 bytes"),
            (good with { PartSize = OssOptions.MaxPartSize + 1 }, "part size must be at most 5368709120 bytes"),
            (good with { SecretAccessKey = "" }, "OSS_ACCESS_KEY_ID"),
            (good with { Endpoint = "http://h/path" }, "endpoint http://h/path"),
            (good with { Endpoint = "ftp://h" }, "endpoint ftp://h"),
        })
        {
            await using var client = new OssReplicaClient(options, _transport);
            ReplicaException e = await Assert.ThrowsAsync<ReplicaException>(async () => await client.InitializeAsync(CancellationToken.None));
            Assert.False(e.IsTransient);
            Assert.Contains(message, e.Message, StringComparison.Ordinal);
        }

        Assert.Empty(_server.Requests);
        Assert.DoesNotContain(OssStub.Secret, good.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_T32_keys_and_session_token_come_from_the_environment()
    {
        var environment = new Dictionary<string, string>
        {
            ["OSS_ACCESS_KEY_ID"] = OssStub.KeyId, ["OSS_ACCESS_KEY_SECRET"] = OssStub.Secret, ["OSS_SESSION_TOKEN"] = "session/+=",
        };
        using var transport = new StorageTransport(_transport.Options with { GetVariable = environment.GetValueOrDefault });
        _server.Token = "session/+=";
        await using var client = new OssReplicaClient(Options("db") with { AccessKeyId = "", SecretAccessKey = "" }, transport);
        await WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1, 300_000));
        Assert.Equal(300_000, (await ReadAsync(client, 0, 1, 1)).Length);
        Assert.Single(await ListAsync(client, 0, accurate: true));
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.All(_server.Requests, request => Assert.Equal("session/+=", request["x-oss-security-token"]));
    }

    [Fact]
    public async Task A_wrong_secret_is_permanent_and_says_what_to_check()
    {
        await using var client = new OssReplicaClient(Options("db") with { SecretAccessKey = "other" }, _transport);
        ReplicaException e = await Assert.ThrowsAsync<ReplicaException>(() => WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1)));
        Assert.False(e.IsTransient);
        Assert.Contains("check access-key-id", e.Message, StringComparison.Ordinal);
        Assert.Single(_server.Requests);
    }

    [Fact]
    public async Task A_missing_bucket_is_no_missing_file()
    {
        await using var client = new OssReplicaClient(Options("db") with { Bucket = "other" }, _transport);
        Exception e = await Assert.ThrowsAsync<ReplicaException>(() => ReadAsync(client, 0, 1, 1));
        Assert.Contains("NoSuchBucket", e.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ReplicaException>(() => ListAsync(client, 0));
    }

    [Fact]
    public async Task Backend_T4_only_an_accurate_list_asks_for_times_and_a_throttled_head_is_retried()
    {
        await using OssReplicaClient client = Client("db");
        await WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1));
        await WriteAsync(client, 0, 2, 2, LtxSample.Create(2, 2));
        Assert.All(await ListAsync(client, 0), file => Assert.Equal(11, file.CreatedAt.Month));
        Assert.DoesNotContain(_server.Requests, request => request.Method == "HEAD");
        int heads = 0;
        _server.Intercept = request => request.Method == "HEAD" && Interlocked.Increment(ref heads) <= 2 ? new CannedAnswer(503) : null;
        Assert.All(await ListAsync(client, 0, accurate: true), file => Assert.Equal(LtxSample.Time, file.CreatedAt));
        Assert.Equal(4, heads);
    }

    [Fact]
    public async Task Backend_T4_a_refused_head_fails_the_list_and_a_missing_time_falls_back()
    {
        await using OssReplicaClient client = Client("db");
        await WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1));
        _server.Intercept = request => request.Method == "HEAD" ? new CannedAnswer(403) : null;
        await Assert.ThrowsAsync<ReplicaException>(() => ListAsync(client, 0, accurate: true));

        _server.Intercept = _ => null;
        string key = _server.Objects.Keys.Single();
        _server.Objects[key] = (_server.Objects[key].Content, null);
        Assert.Equal(11, (await ListAsync(client, 0, accurate: true)).Single().CreatedAt.Month);

        // Deleted between the list and the look at it.
        _server.Intercept = request => request.Method == "HEAD" ? new CannedAnswer(404) : null;
        Assert.Empty(await ListAsync(client, 0, accurate: true));
    }

    [Fact]
    public async Task Backend_T1_the_start_goes_to_the_store()
    {
        await using OssReplicaClient client = Client("db");
        for (ulong txid = 1; txid <= 9; txid++)
        {
            await WriteAsync(client, 0, txid, txid, LtxSample.Create(txid, txid));
        }

        Assert.Equal(5, (await ListAsync(client, 0, seek: 5)).Count);
        Assert.Contains("start-after=db%2F0000%2F0000000000000005", _server.Requests[^1].Target, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_T13_every_key_must_be_reported_as_deleted()
    {
        await using OssReplicaClient client = Client("a&b <ü>");
        List<LtxFileInfo> files = [];
        for (ulong txid = 1; txid <= 1001; txid++)
        {
            files.Add(await WriteAsync(client, 0, txid, txid, LtxSample.Create(txid, txid, 130)));
        }

        int batches = 0;
        _server.Intercept = request =>
        {
            if (!request.Target.Contains("?delete", StringComparison.Ordinal))
            {
                return null;
            }

            batches++;
            CannedAnswer answer = _server.Carry(request);
            string text = System.Text.Encoding.UTF8.GetString(answer.Body!);
            int at = text.IndexOf("<Deleted>", StringComparison.Ordinal);
            int end = text.IndexOf("</Deleted>", StringComparison.Ordinal) + 10;
            return CannedAnswer.Text(200, text[..at] + text[end..]);
        };
        ReplicaException e = await Assert.ThrowsAsync<ReplicaException>(async () => await client.DeleteAsync(files, CancellationToken.None));
        Assert.Contains("oss: failed to delete files:\na&b <ü>/0000/0000000000000001-0000000000000001.ltx", e.Message, StringComparison.Ordinal);
        Assert.Equal(1, batches);

        _server.Intercept = _ => null;
        await client.DeleteAsync(files, CancellationToken.None);
        Assert.Empty(_server.Objects);
        int requests = _server.Requests.Count;
        await client.DeleteAsync([], CancellationToken.None);
        Assert.Equal(requests, _server.Requests.Count);
    }

    [Fact]
    public async Task Backend_T34_delete_all_leaves_sibling_prefixes_alone()
    {
        await using OssReplicaClient client = Client("db");
        await using OssReplicaClient sibling = Client("db2");
        await WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1));
        await WriteAsync(sibling, 0, 1, 1, LtxSample.Create(1, 1));
        _server.Objects["db/lock.json"] = ([1], null);
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.Equal(["db2/0000/0000000000000001-0000000000000001.ltx"], _server.Objects.Keys);
    }

    [Fact]
    public async Task Backend_T16_an_error_in_an_ok_answer_fails_the_completion()
    {
        await using OssReplicaClient client = Client("db");
        int completions = 0;
        _server.Intercept = request => IsCompletion(request) && Interlocked.Increment(ref completions) <= 2 ? OssStub.Error(200, "InternalError", "later") : null;
        await WriteAsync(client, 9, 1, 5, LtxSample.Create(1, 5, 300_000));
        Assert.Equal(3, completions);

        _server.Intercept = request => IsCompletion(request) ? OssStub.Error(200, "InternalError", "never") : null;
        ReplicaException e = await Assert.ThrowsAsync<ReplicaException>(() => WriteAsync(client, 9, 1, 6, LtxSample.Create(1, 6, 300_000)));
        Assert.True(e.IsTransient);
        Assert.Equal((1, 0), (_server.Objects.Count, _server.OpenUploads));
    }

    [Theory]
    [InlineData(WriteMode.CreateOnly)]
    [InlineData(WriteMode.Overwrite)]
    public async Task A_lost_answer_to_a_completion_is_a_success(WriteMode mode)
    {
        await using OssReplicaClient client = Client("db");
        byte[] content = LtxSample.Create(1, 5, 300_000);
        int completions = 0;
        _server.Intercept = request =>
        {
            if (!IsCompletion(request) || Interlocked.Increment(ref completions) > 1)
            {
                return null;
            }

            _server.Carry(request);
            return CannedAnswer.Lost;
        };
        await WriteAsync(client, 9, 1, 5, content, mode);
        Assert.Equal(content, await ReadAsync(client, 9, 1, 5));
        Assert.Equal((2, 0), (completions, _server.OpenUploads));
    }

    [Fact]
    public async Task A_lost_answer_to_a_write_is_no_second_writer()
    {
        await using OssReplicaClient client = Client("db");
        int writes = 0;
        _server.Intercept = request =>
        {
            if (request.Method != "PUT" || Interlocked.Increment(ref writes) > 1)
            {
                return null;
            }

            _server.Carry(request);
            return CannedAnswer.Lost;
        };
        await WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1), WriteMode.CreateOnly);
        Assert.Equal(2, writes);
        await Assert.ThrowsAsync<ReplicaConflictException>(() => WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1, seed: 3), WriteMode.CreateOnly));
        await Assert.ThrowsAsync<ReplicaConflictException>(() => WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1, 300_000), WriteMode.CreateOnly));
    }

    [Fact]
    public async Task An_upload_that_somebody_aborted_is_an_error_that_passes()
    {
        await using OssReplicaClient client = Client("db");
        _server.Intercept = request => IsCompletion(request) ? OssStub.Error(404, "NoSuchUpload", "gone") : null;
        ReplicaException e = await Assert.ThrowsAsync<ReplicaException>(() => WriteAsync(client, 9, 1, 5, LtxSample.Create(1, 5, 300_000)));
        Assert.True(e.IsTransient);
    }

    [Fact]
    public async Task Bytes_that_changed_on_the_way_are_sent_again()
    {
        await using OssReplicaClient client = Client("db");
        int writes = 0;
        _server.Intercept = request => request.Method == "PUT" && Interlocked.Increment(ref writes) == 1
            ? new CannedAnswer(200, Headers: [("ETag", "\"e\""), ("x-oss-hash-crc64ecma", "1")])
            : null;
        await WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1));
        Assert.Equal((2, 1), (writes, _server.Objects.Count));
    }

    [Fact]
    public async Task Backend_T14_sizes_around_a_part()
    {
        await using OssReplicaClient client = Client("db");
        foreach ((int size, int puts) in new[] { (102_399, 1), (102_400, 1), (102_401, 2), (204_800, 2), (250_000, 3) })
        {
            int before = _server.Requests.Count(request => request.Method == "PUT");
            byte[] content = LtxSample.Create(1, (ulong)size, size);
            await WriteAsync(client, 9, 1, (ulong)size, content);
            Assert.Equal(puts, _server.Requests.Count(request => request.Method == "PUT") - before);
            Assert.Equal(content, await ReadAsync(client, 9, 1, (ulong)size));
        }

        Assert.All(_server.Requests, request => Assert.Null(request["Transfer-Encoding"]));
    }

    [Fact]
    public async Task Backend_T18_a_range_behind_the_end_is_empty_and_only_a_missing_key_is_missing()
    {
        await using OssReplicaClient client = Client("db");
        await WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1, 300));
        Assert.Empty(await ReadAsync(client, 0, 1, 1, 300, 10));
        Assert.Equal("standard", _server.Requests[^1]["x-oss-range-behavior"]);
        Assert.Equal(10, (await ReadAsync(client, 0, 1, 1, 290, 100)).Length);
        await ReadAsync(client, 0, 1, 1);
        Assert.Null(_server.Requests[^1]["Range"]);
        await Assert.ThrowsAsync<LtxFileNotFoundException>(() => ReadAsync(client, 0, 2, 2));
        _server.Intercept = _ => OssStub.Error(403, "AccessDenied", "no");
        ReplicaException e = await Assert.ThrowsAsync<ReplicaException>(() => ReadAsync(client, 0, 2, 2));
        Assert.Contains("AccessDenied", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_T19_empty_pages_do_not_end_a_list_and_an_error_in_the_middle_is_one()
    {
        await using OssReplicaClient client = Client("db");
        const string head = "<ListBucketResult><EncodingType>url</EncodingType>";
        _server.Intercept = request => request.Target switch
        {
            var t when t.Contains("continuation-token=a%2Bb", StringComparison.Ordinal) => CannedAnswer.Text(
                200, $"{head}<Contents><Key>db%2F0000%2F{LtxSample.Name(1, 1)}</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified><Size>3</Size></Contents>"
                + "<IsTruncated>true</IsTruncated><NextContinuationToken>c</NextContinuationToken></ListBucketResult>"),
            var t when t.Contains("continuation-token=c", StringComparison.Ordinal) => OssStub.Error(403, "AccessDenied", "no"),
            _ => CannedAnswer.Text(200, $"{head}<IsTruncated>true</IsTruncated><NextContinuationToken>a%2Bb</NextContinuationToken></ListBucketResult>"),
        };
        List<LtxFileInfo> files = [];
        await Assert.ThrowsAsync<ReplicaException>(async () =>
        {
            await foreach (LtxFileInfo file in client.ListAsync(0, Txid.None, false, CancellationToken.None))
            {
                files.Add(file);
            }
        });
        Assert.Single(files);
    }

    [Theory]
    [InlineData("<html>login</html>")]
    [InlineData("no xml")]
    [InlineData("<ListBucketResult><Contents>")]
    [InlineData("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")]
    public async Task A_damaged_list_is_asked_for_again(string answer)
    {
        await using OssReplicaClient client = Client("db");
        await WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1));
        int lists = 0;
        _server.Intercept = request => request.Target.Contains("list-type", StringComparison.Ordinal) && Interlocked.Increment(ref lists) <= 3 ? CannedAnswer.Text(200, answer) : null;
        Assert.Single(await ListAsync(client, 0));
        Assert.Equal(4, lists);
    }

    [Fact]
    public async Task Backend_T35_operations_are_counted()
    {
        var counts = new Dictionary<string, long>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == "Litestream")
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            lock (counts)
            {
                string name = $"{instrument.Name} {string.Join(' ', tags.ToArray().Select(tag => tag.Value))}";
                counts[name] = counts.GetValueOrDefault(name) + value;
            }
        });
        listener.Start();
        await using OssReplicaClient client = Client("metrics");
        LtxFileInfo file = await WriteAsync(client, 0, 1, 1, LtxSample.Create(1, 1, 300));
        await ReadAsync(client, 0, 1, 1);
        await ListAsync(client, 0, accurate: true);
        await client.DeleteAsync([file], CancellationToken.None);
        lock (counts)
        {
            // Other tests of this class run one after the other, so only this one counts; another class has another backend.
            foreach (string operation in new[] { "PUT", "GET", "LIST", "HEAD", "DELETE" })
            {
                Assert.Equal(1, counts[$"litestream_replica_operation_total oss {operation}"]);
            }

            Assert.Equal(300, counts["litestream_replica_operation_bytes oss PUT"]);
            Assert.Equal(300, counts["litestream_replica_operation_bytes oss GET"]);
        }
    }

    private static bool IsCompletion(RecordedRequest request) =>
        request.Method == "POST" && request.Target.Contains("uploadId=", StringComparison.Ordinal);

    private OssOptions Options(string path) => new()
    {
        Bucket = OssStub.Bucket, Path = path, Endpoint = _server.Endpoint, AccessKeyId = OssStub.KeyId, SecretAccessKey = OssStub.Secret, PartSize = OssOptions.MinPartSize,
    };

    private OssReplicaClient Client(string path) => new(Options(path), _transport);

    private static async Task<LtxFileInfo> WriteAsync(
        OssReplicaClient client, int level, ulong min, ulong max, byte[] content, WriteMode mode = WriteMode.Overwrite) =>
        await client.WriteAsync(level, new Txid(min), new Txid(max), new MemoryStream(content), mode, CancellationToken.None);

    private static async Task<byte[]> ReadAsync(OssReplicaClient client, int level, ulong min, ulong max, long offset = 0, long size = 0)
    {
        await using Stream stream = await client.OpenAsync(level, new Txid(min), new Txid(max), offset, size, CancellationToken.None);
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }

    private static async Task<List<LtxFileInfo>> ListAsync(OssReplicaClient client, int level, ulong seek = 0, bool accurate = false)
    {
        List<LtxFileInfo> files = [];
        await foreach (LtxFileInfo file in client.ListAsync(level, new Txid(seek), accurate, CancellationToken.None))
        {
            files.Add(file);
        }

        return files;
    }
}
