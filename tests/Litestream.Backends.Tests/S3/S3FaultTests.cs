using System.Text;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>What a client makes of failures.</summary>
public sealed class S3FaultTests
{
    private const int PartSize = 5 << 20;

    [Theory]
    [InlineData(500, "InternalError")]
    [InlineData(502, "")]
    [InlineData(503, "SlowDown")]
    [InlineData(504, "")]
    [InlineData(408, "")]
    [InlineData(429, "TooManyRequests")]
    [InlineData(400, "RequestTimeout")]
    [InlineData(400, "RequestCanceled")]
    [InlineData(400, "ThrottlingException")]
    [InlineData(400, "BadDigest")]
    [InlineData(0, "")]
    public async Task Backend_T14_T15_Passing_failures_are_tried_again_with_the_same_bytes(int status, string code)
    {
        int puts = 0;
        await using var s3 = new FakeS3(request => request.Method == "PUT" && puts++ < 3 ? status == 0 ? CannedAnswer.Lost : FakeS3.Error(status, code) : null);
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await FakeS3.WriteAsync(client);
        Assert.Equal(4, s3.Requests.Count);
        Assert.All(s3.Requests, request => Assert.Equal(LtxSample.Create(1, 1), request.Body));
    }

    [Fact]
    public async Task Backend_T15_Two_hundred_failures_use_up_no_quota()
    {
        int left = 200;
        await using var s3 = new FakeS3(_ => Interlocked.Decrement(ref left) >= 0 ? CannedAnswer.Lost : null);
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        for (int i = 0; i < 20; i++)
        {
            ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () => await FakeS3.WriteAsync(client));
            Assert.True(failure.IsTransient);
        }

        await FakeS3.WriteAsync(client);
        Assert.Equal(201, s3.Requests.Count);
    }

    [Fact]
    public async Task Backend_T15_Cancellation_is_not_tried_again()
    {
        using var cancellation = new CancellationTokenSource();
        await using var s3 = new FakeS3(_ =>
        {
            cancellation.Cancel();
            return FakeS3.Error(503, "SlowDown");
        });
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await FakeS3.WriteAsync(client, cancellationToken: cancellation.Token));
        Assert.Single(s3.Requests);
    }

    [Theory]
    [InlineData(4 << 20, 0)]
    [InlineData(PartSize, 0)]
    [InlineData(6 << 20, 2)]
    [InlineData(12 << 20, 3)]
    public async Task Backend_T14_Sizes_of_known_and_unknown_length(int size, int parts)
    {
        foreach (bool known in new[] { true, false })
        {
            await using var s3 = new FakeS3();
            using StorageTransport transport = FakeS3.CreateTransport();
            await using var client = new S3ReplicaClient(s3.Options, transport);
            byte[] content = LtxSample.Create(1, 1, size);
            Stream source = known ? new MemoryStream(content) : new CutStream(new MemoryStream(content), long.MaxValue, new IOException());
            LtxFileInfo info = await client.WriteAsync(0, new Txid(1), new Txid(1), source, WriteMode.Overwrite, CancellationToken.None);
            Assert.Equal(size, info.Size);
            Assert.Equal(content, s3.Objects.Values.Single());
            Assert.Equal(parts, s3.Requests.Count(request => request.Query.StartsWith("partNumber", StringComparison.Ordinal)));
            Assert.Equal(parts == 0 ? 1 : parts + 2, s3.Requests.Count);
        }
    }

    [Fact]
    public async Task Backend_T14_T26_Metadata_class_and_encryption_go_on_the_initiation_and_the_key_on_parts()
    {
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(
            s3.Options with { StorageClass = "COLD", SseCustomerKey = S3EncryptionTests.Key }, transport);
        await FakeS3.WriteAsync(client, size: PartSize + 1);
        RecordedRequest initiate = s3.Requests[0];
        Assert.Equal("uploads=", initiate.Query);
        Assert.Equal("2024-01-02T03:04:05.678Z", initiate["x-amz-meta-litestream-timestamp"]);
        Assert.Equal("COLD", initiate["x-amz-storage-class"]);
        Assert.Null(initiate["Content-Type"]);
        Assert.All(s3.Requests, request => Assert.Equal(S3EncryptionTests.KeyMd5, request["x-amz-server-side-encryption-customer-key-MD5"]));
        Assert.Null(s3.Requests[1]["x-amz-storage-class"]);
        Assert.Equal("application/octet-stream", s3.Requests[1]["Content-Type"]);
    }

    [Fact]
    public async Task Backend_T14_A_failed_part_aborts_the_upload()
    {
        await using var s3 = new FakeS3(request => request.Query.StartsWith("partNumber=2", StringComparison.Ordinal) ? FakeS3.Error(403, "AccessDenied") : null);
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await Assert.ThrowsAsync<S3Exception>(async () => await FakeS3.WriteAsync(client, size: 3 * PartSize));
        // Not the last one it records: it may still be reading the part that was cancelled.
        Assert.Contains(s3.Requests, request => request.Method == "DELETE" && request.Query.StartsWith("uploadId", StringComparison.Ordinal));
        Assert.Empty(s3.Objects);
    }

    [Fact]
    public async Task Backend_T14_Cancellation_aborts_the_upload_too()
    {
        using var cancellation = new CancellationTokenSource();
        await using var s3 = new FakeS3(request =>
        {
            if (request.Query.StartsWith("partNumber=2", StringComparison.Ordinal))
            {
                cancellation.Cancel();
            }

            return null;
        });
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await FakeS3.WriteAsync(client, size: 3 * PartSize, cancellationToken: cancellation.Token));
        // Not the last one it records: it may still be reading the part that was cancelled.
        Assert.Contains(s3.Requests, request => request.Method == "DELETE" && request.Query.StartsWith("uploadId", StringComparison.Ordinal));
        Assert.Empty(s3.Objects);
    }

    [Fact]
    public async Task Backend_T16_An_error_inside_200_is_a_failure_of_the_completion()
    {
        int completions = 0;
        await using var s3 = new FakeS3(request => request.Query.StartsWith("uploadId", StringComparison.Ordinal) && request.Method == "POST" && completions++ < 2
            ? CannedAnswer.Text(200, "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>")
            : null);
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await FakeS3.WriteAsync(client, size: PartSize + 1);
        Assert.Equal(3, completions);

        using StorageTransport twice = FakeS3.CreateTransport(attempts: 2);
        await using var hasty = new S3ReplicaClient(s3.Options, twice);
        completions = -1000;
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await FakeS3.WriteAsync(hasty, 2, PartSize + 1));
        Assert.Contains("InternalError", failure.Message, StringComparison.Ordinal);
        Assert.True(failure.IsTransient);
        // Not the last one it records: it may still be reading the part that was cancelled.
        Assert.Contains(s3.Requests, request => request.Method == "DELETE" && request.Query.StartsWith("uploadId", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(WriteMode.Overwrite)]
    [InlineData(WriteMode.CreateOnly)]
    public async Task Backend_T16_A_completion_whose_answer_was_lost_is_recognised(WriteMode mode)
    {
        FakeS3? fake = null;
        int completions = 0;
        await using var s3 = fake = new FakeS3(request =>
        {
            if (request.Method == "POST" && request.Query.StartsWith("uploadId", StringComparison.Ordinal) && completions++ == 0)
            {
                fake!.Answer(request);
                return CannedAnswer.Lost;
            }

            return null;
        });
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        LtxFileInfo info = await FakeS3.WriteAsync(client, size: PartSize + 77, mode: mode);
        Assert.Equal(PartSize + 77, info.Size);
        Assert.Equal(2, completions);
    }

    [Fact]
    public async Task A_lost_answer_to_a_creation_is_recognised_and_a_second_writer_too()
    {
        FakeS3? fake = null;
        int puts = 0;
        await using var s3 = fake = new FakeS3(request =>
        {
            if (request.Method == "PUT" && puts++ == 0)
            {
                fake!.Answer(request);
                return CannedAnswer.Lost;
            }

            return null;
        });
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await FakeS3.WriteAsync(client, mode: WriteMode.CreateOnly);
        Assert.Equal("*", s3.Requests[1]["If-None-Match"]);
        await Assert.ThrowsAsync<ReplicaConflictException>(async () => await FakeS3.WriteAsync(client, mode: WriteMode.CreateOnly, seed: 5));
        await Assert.ThrowsAsync<ReplicaConflictException>(async () => await FakeS3.WriteAsync(client, mode: WriteMode.CreateOnly, size: PartSize + 1));
    }

    [Fact]
    public async Task A_creation_that_meets_another_in_progress_may_be_tried_later()
    {
        await using var s3 = new FakeS3(request => request.Method == "PUT" ? FakeS3.Error(409, "ConditionalRequestConflict") : null);
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () => await FakeS3.WriteAsync(client, mode: WriteMode.CreateOnly));
        Assert.True(failure.IsTransient);
    }

    [Theory]
    [InlineData(416, "InvalidRange")]
    [InlineData(403, "AccessDenied")]
    [InlineData(404, "NoSuchBucket")]
    [InlineData(404, "")]
    [InlineData(404, "NotFound")]
    public async Task Backend_T18_Only_a_missing_key_is_a_missing_file(int status, string code)
    {
        await using var s3 = new FakeS3(_ => FakeS3.Error(status, code));
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        Exception? failure = await Record.ExceptionAsync(async () => await (await client.OpenAsync(0, new Txid(1), new Txid(1), 10, 5, CancellationToken.None)).DisposeAsync());
        Assert.False(failure is LtxFileNotFoundException);
        Assert.Equal(status == 416, failure is null);
        Assert.False(failure is ReplicaException { IsTransient: true });
        Assert.Single(s3.Requests);
    }

    [Fact]
    public async Task Backend_T18_A_body_that_ends_early_is_a_failure_and_not_an_end()
    {
        byte[] content = LtxSample.Create(1, 1, 100_000);
        int gets = 0;
        await using var s3 = new FakeS3(request => gets++ < 2 ? new CannedAnswer(206, content[From(request)..], [("Content-Range", $"bytes {From(request)}-99999/100000")], SendOnly: 30_000) : null);
        s3.Put("test/db/0000/" + LtxSample.Name(1, 1), content);
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        Stream cut = await client.OpenAsync(0, new Txid(1), new Txid(1), 0, 0, CancellationToken.None);
        await using (cut)
        {
            await Assert.ThrowsAnyAsync<IOException>(async () => await cut.CopyToAsync(Stream.Null));
        }

        await using Stream resumed = ResumableReader.ForReplica(client, new LtxFileInfo(0, new Txid(1), new Txid(1), content.Length, default), new InstantTimeProvider()).AsStream();
        using var copy = new MemoryStream();
        await resumed.CopyToAsync(copy);
        Assert.Equal(content, copy.ToArray());
        Assert.StartsWith("bytes=30000-", s3.Requests[^1]["Range"], StringComparison.Ordinal);

        static int From(RecordedRequest request) => request["Range"] is { } range ? int.Parse(range["bytes=".Length..].Split('-')[0], System.Globalization.CultureInfo.InvariantCulture) : 0;
    }

    [Fact]
    public async Task Backend_T19_Empty_pages_with_a_token_are_followed_and_unsorted_pages_are_sorted()
    {
        string[] pages =
        [
            Page("t1"), Page("t2", (3, 3), (1, 9)), Page("t3"), Page(null, (1, 2), (2, 2)),
        ];
        int asked = 0;
        await using var s3 = new FakeS3(_ => CannedAnswer.Text(200, pages[asked++]));
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        Assert.Equal(["1-2", "1-9", "2-2", "3-3"], (await FakeS3.ListAsync(client)).Select(file => $"{file.MinTxid.Value}-{file.MaxTxid.Value}"));
        Assert.Equal(["", "t1", "t2", "t3"], s3.Requests.Select(request => request.Query.Split('&').Where(q => q.StartsWith("continuation-token=", StringComparison.Ordinal)).Select(q => q[19..]).FirstOrDefault("")));
    }

    [Theory]
    [InlineData(403, "AccessDenied", false)]
    [InlineData(200, "<ListBucketResult><Contents><Key>x", true)]
    [InlineData(200, "", true)]
    [InlineData(200, "<html/>", true)]
    [InlineData(200, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", true)]
    public async Task Backend_T19_A_failure_in_the_middle_is_not_the_end_of_the_list(int status, string body, bool transient)
    {
        int asked = 0;
        await using var s3 = new FakeS3(_ => asked++ == 0 ? CannedAnswer.Text(200, Page("t1", (1, 1))) : status == 200 ? CannedAnswer.Text(200, body) : FakeS3.Error(status, body));
        using StorageTransport transport = FakeS3.CreateTransport(attempts: 3);
        await using var client = new S3ReplicaClient(s3.Options, transport);
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await FakeS3.ListAsync(client));
        Assert.Equal(transient, failure.IsTransient);
        Assert.Equal(transient ? 4 : 2, s3.Requests.Count);
    }

    [Fact]
    public async Task A_listing_that_never_ends_is_given_up()
    {
        await using var s3 = new FakeS3(_ => CannedAnswer.Text(200, Page("again", (1, 1))));
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await Assert.ThrowsAnyAsync<ReplicaException>(async () => await FakeS3.ListAsync(client));
        Assert.Equal(2, s3.Requests.Count);
    }

    [Fact]
    public async Task Backend_T4_Accurate_times_are_right_or_the_listing_fails()
    {
        int throttled = 0;
        bool refuse = false;
        await using var s3 = new FakeS3(request => request.Method != "HEAD" ? null
            : refuse ? new CannedAnswer(403)
            : Interlocked.Increment(ref throttled) <= 3 ? new CannedAnswer(503) : null);
        s3.Put("test/db/0000/" + LtxSample.Name(1, 1), LtxSample.Create(1, 1), ("x-amz-meta-litestream-timestamp", "2024-01-02T03:04:05.678Z"));
        s3.Put("test/db/0000/" + LtxSample.Name(2, 2), LtxSample.Create(2, 2, time: LtxSample.Time.AddDays(1)));
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        Assert.Equal([LtxSample.Time, LtxSample.Time.AddDays(1)], (await FakeS3.ListAsync(client, accurate: true)).Select(file => file.CreatedAt));
        Assert.Equal("bytes=0-99", s3.Requests.Single(request => request.Method == "GET" && request["Range"] is not null)["Range"]);
        Assert.All(await FakeS3.ListAsync(client), file => Assert.Equal(2025, file.CreatedAt.Year));
        refuse = true;
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await FakeS3.ListAsync(client, accurate: true));
        Assert.False(failure.IsTransient);
    }

    [Fact]
    public async Task Backend_T4_A_file_that_vanishes_during_an_accurate_listing_is_left_out()
    {
        await using var s3 = new FakeS3(request => request.Method == "HEAD" && request.Path.EndsWith("2.ltx", StringComparison.Ordinal) ? new CannedAnswer(404) : null);
        s3.Put("test/db/0000/" + LtxSample.Name(1, 1), LtxSample.Create(1, 1));
        s3.Put("test/db/0000/" + LtxSample.Name(2, 2), LtxSample.Create(2, 2));
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        Assert.Equal(1ul, Assert.Single(await FakeS3.ListAsync(client, accurate: true)).MinTxid.Value);
    }

    [Fact]
    public async Task Backend_T4_A_damaged_file_keeps_the_stores_time_with_a_warning()
    {
        var log = new LogOfLines();
        await using var s3 = new FakeS3();
        s3.Put("test/db/0000/" + LtxSample.Name(1, 1), new byte[50]);
        s3.Put("test/db/0000/" + LtxSample.Name(2, 2), LtxSample.Create(2, 2));
        using StorageTransport transport = FakeS3.CreateTransport(logger: log);
        await using var client = new S3ReplicaClient(s3.Options, transport);
        Assert.Equal([2025, 2024], (await FakeS3.ListAsync(client, accurate: true)).Select(file => file.CreatedAt.Year));
        Assert.Single(log.Lines, line => line.Contains("no valid header", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(100, 32)]
    [InlineData(8, 8)]
    public async Task Head_requests_run_side_by_side_within_a_bound(int connections, int most)
    {
        var gate = new TaskCompletionSource();
        int waiting = 0;
        int heads = 0;
        int mostHeads = 0;
        var store = new FakeS3();
        await using RecordingHttpServer server = new(async request =>
        {
            if (request.Method != "HEAD")
            {
                return store.Answer(request);
            }

            lock (gate)
            {
                mostHeads = Math.Max(mostHeads, ++heads);
            }

            if (Interlocked.Increment(ref waiting) == most)
            {
                gate.SetResult();
            }

            await gate.Task;
            lock (gate)
            {
                heads--;
            }

            return store.Answer(request);
        });
        await using (store)
        {
            for (ulong txid = 1; txid <= 120; txid++)
            {
                store.Put("test/db/0000/" + LtxSample.Name(txid, txid), LtxSample.Create(txid, txid), ("x-amz-meta-litestream-timestamp", "2024-01-02T03:04:05Z"));
            }

            using StorageTransport transport = FakeS3.CreateTransport(maxConnections: connections);
            await using var client = new S3ReplicaClient(store.Options with { Endpoint = $"http://127.0.0.1:{server.Port}" }, transport);
            Assert.Equal(120, (await FakeS3.ListAsync(client, accurate: true)).Count);
            Assert.Equal(most, mostHeads);
        }
    }

    [Theory]
    [InlineData(403, "InvalidAccessKeyId", "access-key-id")]
    [InlineData(403, "SignatureDoesNotMatch", "secret-access-key")]
    [InlineData(403, "AccessDenied", "rights")]
    [InlineData(404, "NoSuchBucket", "does not exist")]
    [InlineData(301, "PermanentRedirect", "set region: eu-west-3")]
    [InlineData(400, "AuthorizationHeaderMalformed", "set region: eu-west-3")]
    [InlineData(400, "ExpiredToken", "renew")]
    public async Task Permanent_refusals_say_what_to_do_and_keep_secrets(int status, string code, string advice)
    {
        await using var s3 = new FakeS3(_ => FakeS3.Error(status, code, "<Region>eu-west-3</Region>"));
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await FakeS3.ListAsync(client));
        Assert.False(failure.IsTransient);
        Assert.Contains(advice, failure.Message, StringComparison.Ordinal);
        Assert.Contains(code, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret-of-tests", failure.ToString(), StringComparison.Ordinal);
        Assert.Single(s3.Requests);
    }

    [Fact]
    public async Task A_wrong_clock_is_explained_with_both_times()
    {
        await using var s3 = new FakeS3(_ => FakeS3.Error(403, "RequestTimeTooSkewed", "<ServerTime>2020-02-03T04:05:06Z</ServerTime>"));
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await FakeS3.ListAsync(client));
        Assert.Contains("at the store 2020-02-03T04:05:06Z", failure.Message, StringComparison.Ordinal);
        Assert.Contains($"here it is {TimeProvider.System.GetUtcNow().Year}", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_without_entity_tag_is_a_failure()
    {
        await using var s3 = new FakeS3(_ => new CannedAnswer(200));
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await FakeS3.WriteAsync(client));
        Assert.Contains("no ETag returned", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_start_is_tried_again_by_the_next_call()
    {
        int asked = 0;
        await using var s3 = new FakeS3(request => request.Query != "location=" ? CannedAnswer.Text(200, "<ListBucketResult/>")
            : asked++ == 0 ? FakeS3.Error(403, "AccessDenied") : CannedAnswer.Text(200, "<LocationConstraint/>"));
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options with { Endpoint = "", ConnectTo = $"http://127.0.0.1:{s3.Server.Port}" }, transport);
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () => await client.InitializeAsync(CancellationToken.None));
        Assert.StartsWith("s3: cannot lookup bucket region: ", failure.Message, StringComparison.Ordinal);
        await client.InitializeAsync(CancellationToken.None);
        Assert.Empty(await FakeS3.ListAsync(client));
    }

    [Fact]
    public async Task Requests_are_logged_on_demand_without_secrets()
    {
        var log = new LogOfLines();
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport(variables: name => name == "LITESTREAM_S3_DEBUG" ? "request,nonsense" : null, logger: log);
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await FakeS3.WriteAsync(client);
        Assert.Contains(log.Lines, line => line.StartsWith("Debug s3 request method=PUT", StringComparison.Ordinal));
        Assert.Contains(log.Lines, line => line.Contains("word=nonsense", StringComparison.Ordinal));
        Assert.DoesNotContain(log.Lines, line => line.Contains("Signature", StringComparison.Ordinal) || line.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_store_without_conditional_writes_is_mentioned_once()
    {
        var log = new LogOfLines();
        await using var s3 = new FakeS3(request => request["If-None-Match"] is not null ? FakeS3.Error(501, "NotImplemented") : null);
        using StorageTransport transport = FakeS3.CreateTransport(logger: log);
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await FakeS3.WriteAsync(client, 1, mode: WriteMode.CreateOnly);
        await FakeS3.WriteAsync(client, 2, mode: WriteMode.CreateOnly);
        await FakeS3.WriteAsync(client, 3, PartSize + 1, WriteMode.CreateOnly);
        Assert.Single(log.Lines, line => line.Contains("no conditional writes", StringComparison.Ordinal));
        Assert.Equal(["PUT", "HEAD", "PUT", "HEAD", "PUT"], s3.Requests.Take(5).Select(request => request.Method));
        await Assert.ThrowsAsync<ReplicaConflictException>(async () => await FakeS3.WriteAsync(client, 1, mode: WriteMode.CreateOnly, seed: 1));
    }

    private static string Page(string? next, params (ulong Min, ulong Max)[] files)
    {
        var xml = new StringBuilder("<ListBucketResult>");
        foreach ((ulong min, ulong max) in files)
        {
            xml.Append("<Contents><Key>db/0000/").Append(LtxSample.Name(min, max)).Append("</Key><Size>130</Size><LastModified>2025-01-01T00:00:00Z</LastModified></Contents>");
        }

        return xml.Append(next is null ? "" : $"<IsTruncated>true</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>").Append("</ListBucketResult>").ToString();
    }
}
