using System.Security.Cryptography;
using System.Text;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>What is on the wire: headers, keys, queries.</summary>
public sealed class S3RequestTests
{
    private const int PartSize = 5 << 20;

    [Fact]
    public async Task Backend_T12_Nothing_is_chunked_and_no_trailer_is_sent()
    {
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await FakeS3.WriteAsync(client);
        LtxFileInfo large = await FakeS3.WriteAsync(client, 2, PartSize + 100);
        await client.DeleteAsync([large], CancellationToken.None);
        foreach (RecordedRequest request in s3.Requests)
        {
            Assert.Null(request["Transfer-Encoding"]);
            Assert.Null(request["Content-Encoding"]);
            Assert.Null(request["x-amz-trailer"]);
            Assert.Null(request["x-amz-sdk-checksum-algorithm"]);
            Assert.Equal(request.Body.Length.ToString(System.Globalization.CultureInfo.InvariantCulture), request["Content-Length"]);
            Assert.Equal(request["x-amz-content-sha256"], Convert.ToHexStringLower(SHA256.HashData(request.Body)));
            Assert.Contains("litestream", request["User-Agent"], StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Requests_have_the_recorded_form()
    {
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options with { StorageClass = "STANDARD_IA" }, transport);
        await FakeS3.WriteAsync(client);
        await FakeS3.ListAsync(client, level: 9);
        await client.DeleteAsync([new LtxFileInfo(0, new Txid(1), new Txid(1), 0, default)], CancellationToken.None);
        RecordedRequest put = s3.Requests[0];
        Assert.Equal(("PUT", "/test/db/0000/0000000000000001-0000000000000001.ltx"), (put.Method, put.Target));
        Assert.Equal("2024-01-02T03:04:05.678Z", put["x-amz-meta-litestream-timestamp"]);
        Assert.Equal("application/octet-stream", put["Content-Type"]);
        Assert.Equal("STANDARD_IA", put["x-amz-storage-class"]);
        Assert.Null(put["If-None-Match"]);
        Assert.Equal("/test?list-type=2&prefix=db%2F0009%2F", s3.Requests[1].Target);
        RecordedRequest delete = s3.Requests[2];
        Assert.Equal(("POST", "/test?delete="), (delete.Method, delete.Target));
        Assert.Equal("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>db/0000/0000000000000001-0000000000000001.ltx</Key></Object></Delete>", delete.Text);
        Assert.Equal(138, delete.Body.Length);
        Assert.Equal("vDbZ8qB6x+R2v/FM8cgkAA==", delete["Content-MD5"]);
        Assert.Equal("application/xml", delete["Content-Type"]);
        Assert.NotNull(delete["x-amz-checksum-crc32"]);
    }

    [Fact]
    public async Task Accept_encoding_is_never_signed_so_that_Google_may_rewrite_it()
    {
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options with { Endpoint = "https://storage.googleapis.com", ConnectTo = $"http://127.0.0.1:{s3.Server.Port}" }, transport);
        await FakeS3.ListAsync(client);
        RecordedRequest request = Assert.Single(s3.Requests);
        Assert.Equal("storage.googleapis.com", request["Host"]);
        Assert.Equal("identity", request["Accept-Encoding"]);
        Assert.Contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date,", request["Authorization"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tigris_is_asked_for_consistency_and_gets_no_md5()
    {
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options with { Endpoint = "https://t3.storage.dev", ConnectTo = $"http://127.0.0.1:{s3.Server.Port}" }, transport);
        LtxFileInfo file = await FakeS3.WriteAsync(client);
        await FakeS3.ListAsync(client, accurate: true);
        await client.DeleteAsync([file], CancellationToken.None);
        Assert.Equal(4, s3.Requests.Count);
        Assert.All(s3.Requests, request => Assert.Equal("true", request["X-Tigris-Consistent"]));
        Assert.Null(s3.Requests[3]["Content-MD5"]);
        Assert.NotNull(s3.Requests[3]["x-amz-checksum-crc32"]);
    }

    [Fact]
    public async Task Unsigned_payload_is_said_on_every_request()
    {
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options with { SignPayload = false }, transport);
        await FakeS3.WriteAsync(client, size: PartSize + 1);
        await FakeS3.ListAsync(client);
        Assert.All(s3.Requests, request => Assert.Equal("UNSIGNED-PAYLOAD", request["x-amz-content-sha256"]));
    }

    [Theory]
    [InlineData("", "/test//0000/")]
    [InlineData(".", "/test/./0000/")]
    [InlineData("db/", "/test/db//0000/")]
    [InlineData("/lead", "/test//lead/0000/")]
    [InlineData("a/../b", "/test/a/../b/0000/")]
    [InlineData("sp ace/é%20", "/test/sp%20ace/%C3%A9%2520/0000/")]
    public async Task Backend_T3_Keys_travel_byte_for_byte(string path, string prefix)
    {
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options with { Path = path }, transport);
        await FakeS3.WriteAsync(client);
        Assert.Equal(prefix + "0000000000000001-0000000000000001.ltx", s3.Requests[0].Target);
        Assert.Equal($"test/{path}/0000/0000000000000001-0000000000000001.ltx", s3.Objects.Keys.Single());
        Assert.Single(await FakeS3.ListAsync(client));
    }

    [Fact]
    public async Task The_start_of_a_listing_goes_to_the_store_once()
    {
        await using var s3 = new FakeS3();
        for (ulong txid = 1; txid <= 1201; txid++)
        {
            s3.Put("test/db/0000/" + LtxSample.Name(txid, txid), LtxSample.Create(txid, txid, 130));
        }

        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        Assert.Equal(1100, (await FakeS3.ListAsync(client, seek: 102)).Count);
        Assert.Equal(2, s3.Requests.Count);
        Assert.Equal("list-type=2&prefix=db%2F0000%2F&start-after=db%2F0000%2F0000000000000066", s3.Requests[0].Query);
        Assert.DoesNotContain("start-after", s3.Requests[1].Query, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(1000, 1)]
    [InlineData(1001, 2)]
    [InlineData(2500, 3)]
    public async Task Backend_T13_Deletes_come_in_batches(int count, int requests)
    {
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await client.DeleteAsync([.. Enumerable.Range(1, count).Select(n => new LtxFileInfo(0, new Txid((ulong)n), new Txid((ulong)n), 1, default))], CancellationToken.None);
        Assert.Equal(requests, s3.Requests.Count);
        Assert.Equal(count, s3.Requests.Sum(request => request.Text.Split("<Key>").Length - 1));
    }

    [Fact]
    public async Task Backend_T13_A_partial_failure_names_the_keys_and_stops()
    {
        await using var s3 = new FakeS3(request => request.Query == "delete="
            ? CannedAnswer.Text(200, "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>db/0000/x&amp;y</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>")
            : null);
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () => await client.DeleteAsync(
            [.. Enumerable.Range(1, 1500).Select(n => new LtxFileInfo(0, new Txid((ulong)n), new Txid((ulong)n), 1, default))], CancellationToken.None));
        Assert.Contains("failed to delete files:", failure.Message, StringComparison.Ordinal);
        Assert.Contains("\ndb/0000/x&y: AccessDenied no", failure.Message, StringComparison.Ordinal);
        Assert.False(failure.IsTransient);
        Assert.Single(s3.Requests);
    }

    [Fact]
    public async Task Backend_T13_Passing_failures_of_a_batch_are_tried_again()
    {
        int asked = 0;
        await using var s3 = new FakeS3(request => request.Query == "delete=" && asked++ < 2
            ? CannedAnswer.Text(200, "<DeleteResult><Error><Key>k</Key><Code>SlowDown</Code></Error><Error><Key>gone</Key><Code>NoSuchKey</Code></Error></DeleteResult>")
            : null);
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await client.DeleteAsync([new LtxFileInfo(0, new Txid(1), new Txid(1), 1, default)], CancellationToken.None);
        Assert.Equal(3, s3.Requests.Count);
    }

    [Theory]
    [InlineData("a&b<c> \"d\"é")]
    [InlineData(" lead and trail ")]
    public async Task Backend_T13_T34_Keys_with_special_characters_are_listed_and_deleted(string name)
    {
        await using var s3 = new FakeS3();
        s3.Put("test/db/" + name, [1]);
        s3.Put("test/db/lock.json", [1]);
        s3.Put("test/db/generations/0123456789abcdef/wal/x", [1]);
        s3.Put("test/db2/" + name, [1]);
        s3.Put("test/dbx", [1]);
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.Equal(["test/db2/" + name, "test/dbx"], s3.Objects.Keys.Order(StringComparer.Ordinal));
        Assert.Contains("<Quiet>true</Quiet>", s3.Requests[^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_T34_An_empty_path_deletes_only_below_its_slash()
    {
        await using var s3 = new FakeS3();
        s3.Put("test/other", [1]);
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options with { Path = "" }, transport);
        await FakeS3.WriteAsync(client);
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.Equal(["test/other"], s3.Objects.Keys);
    }

    [Fact]
    public async Task Backend_T34_A_server_that_ignores_the_prefix_costs_nobody_his_objects()
    {
        await using var s3 = new FakeS3(request => request.Query.StartsWith("list-type", StringComparison.Ordinal)
            ? CannedAnswer.Text(200, "<ListBucketResult><Contents><Key>db2/x</Key><Size>1</Size><LastModified>2025-01-01T00:00:00Z</LastModified></Contents></ListBucketResult>")
            : null);
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.Empty(await FakeS3.ListAsync(client));
        Assert.DoesNotContain(s3.Requests, request => request.Method == "POST");
    }

    [Theory]
    [InlineData("", "us-east-1")]
    [InlineData("EU", "eu-west-1")]
    [InlineData("ap-south-1", "ap-south-1")]
    public async Task Backend_T33_The_region_is_asked_for_once(string constraint, string region)
    {
        await using var s3 = new FakeS3(request => request.Query == "location="
            ? CannedAnswer.Text(200, $"<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{constraint}</LocationConstraint>")
            : CannedAnswer.Text(200, "<ListBucketResult/>"));
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options with { Endpoint = "", ConnectTo = $"http://127.0.0.1:{s3.Server.Port}" }, transport);
        await FakeS3.ListAsync(client);
        await FakeS3.ListAsync(client);
        Assert.Equal(3, s3.Requests.Count);
        Assert.Equal(("s3.us-east-1.amazonaws.com", "/test?location="), (s3.Requests[0]["Host"], s3.Requests[0].Target));
        Assert.Equal($"test.s3.{region}.amazonaws.com", s3.Requests[2]["Host"]);
        Assert.Contains($"/{region}/s3/aws4_request", s3.Requests[2]["Authorization"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_T33_Who_may_not_ask_for_the_region_learns_it_from_the_refusal()
    {
        await using var s3 = new FakeS3(request => request.Query == "location="
            ? new CannedAnswer(403, Encoding.UTF8.GetBytes("<Error><Code>AccessDenied</Code></Error>"), [("x-amz-bucket-region", "eu-north-1")])
            : CannedAnswer.Text(200, "<ListBucketResult/>"));
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options with { Endpoint = "", ConnectTo = $"http://127.0.0.1:{s3.Server.Port}" }, transport);
        await FakeS3.ListAsync(client);
        Assert.Equal("test.s3.eu-north-1.amazonaws.com", s3.Requests[1]["Host"]);
    }

    [Fact]
    public async Task Backend_T32_A_session_token_of_the_environment_is_sent_and_signed()
    {
        await using var s3 = new FakeS3();
        var environment = new Dictionary<string, string> { ["LITESTREAM_ACCESS_KEY_ID"] = "id", ["AWS_SECRET_ACCESS_KEY"] = "secret", ["AWS_SESSION_TOKEN"] = "token/1" };
        using StorageTransport transport = FakeS3.CreateTransport(variables: environment.GetValueOrDefault);
        await using var client = new S3ReplicaClient(s3.Options with { AccessKeyId = "", SecretAccessKey = "" }, transport);
        await FakeS3.ListAsync(client);
        Assert.Equal("token/1", s3.Requests[0]["x-amz-security-token"]);
        Assert.Contains("Credential=id/", s3.Requests[0]["Authorization"], StringComparison.Ordinal);
        Assert.Contains(";x-amz-security-token,", s3.Requests[0]["Authorization"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_T35_Operations_are_counted_under_their_names()
    {
        var seen = new System.Collections.Concurrent.ConcurrentBag<string>();
        using var listener = new System.Diagnostics.Metrics.MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == "Litestream")
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => seen.Add($"{instrument.Name} {Tag(tags, "replica_type")} {Tag(tags, "operation")}"));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => seen.Add($"{instrument.Name} {Tag(tags, "replica_type")} {Tag(tags, "operation")}"));
        listener.Start();
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options, transport);
        LtxFileInfo file = await FakeS3.WriteAsync(client);
        await FakeS3.ListAsync(client, accurate: true);
        await (await client.OpenAsync(0, file.MinTxid, file.MaxTxid, 0, 0, CancellationToken.None)).DisposeAsync();
        await client.DeleteAsync([file], CancellationToken.None);
        foreach (string operation in new[] { "PUT", "GET", "LIST", "HEAD", "DELETE" })
        {
            Assert.Contains("litestream_replica_operation_total s3 " + operation, seen);
        }

        Assert.Contains("litestream_replica_operation_bytes s3 PUT", seen);
        Assert.Contains("litestream_replica_operation_duration_seconds s3 DELETE", seen);

        static string? Tag(ReadOnlySpan<KeyValuePair<string, object?>> tags, string name)
        {
            foreach ((string key, object? value) in tags)
            {
                if (key == name)
                {
                    return value as string;
                }
            }

            return null;
        }
    }
}
