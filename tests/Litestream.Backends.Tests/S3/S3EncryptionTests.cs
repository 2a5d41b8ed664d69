using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>Server-side encryption with keys of the customer or of KMS.</summary>
public sealed class S3EncryptionTests
{
    public const string Key = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";
    public const string KeyMd5 = "dnF5x6K/8ZZRzpfSlMMM+w==";

    [Fact]
    public async Task Backend_T26_The_key_goes_on_every_request_that_touches_content()
    {
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options with { SseCustomerKey = Key, SseCustomerAlgorithm = "AES256" }, transport);
        LtxFileInfo file = await FakeS3.WriteAsync(client);
        await (await client.OpenAsync(0, file.MinTxid, file.MaxTxid, 0, 0, CancellationToken.None)).DisposeAsync();
        s3.Put("test/db/generations/0123456789abcdef/snapshots/00000000.snapshot.lz4", [1, 2]);
        await (await client.OpenGenerationFileAsync(new GenerationFile("0123456789abcdef", 0, -1, 2, default), 0, CancellationToken.None)).DisposeAsync();
        Assert.All(s3.Requests, HasKey);
        int before = s3.Requests.Count;
        s3.Put("test/db/0000/" + LtxSample.Name(1, 1), LtxSample.Create(1, 1));
        await FakeS3.ListAsync(client, accurate: true);
        Assert.Equal(["GET", "HEAD", "GET"], s3.Requests.Skip(before).Select(request => request.Method));
        Assert.All(s3.Requests.Skip(before + 1), HasKey);
        Assert.Null(s3.Requests[before]["x-amz-server-side-encryption-customer-key"]);

        static void HasKey(RecordedRequest request)
        {
            Assert.Equal("AES256", request["x-amz-server-side-encryption-customer-algorithm"]);
            Assert.Equal(Key, request["x-amz-server-side-encryption-customer-key"]);
            Assert.Equal(KeyMd5, request["x-amz-server-side-encryption-customer-key-MD5"]);
        }
    }

    [Fact]
    public async Task Backend_T26_Kms_is_named_on_writes_only()
    {
        await using var s3 = new FakeS3();
        using StorageTransport transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(s3.Options with { SseKmsKeyId = "key/1" }, transport);
        LtxFileInfo file = await FakeS3.WriteAsync(client);
        await (await client.OpenAsync(0, file.MinTxid, file.MaxTxid, 0, 0, CancellationToken.None)).DisposeAsync();
        Assert.Equal(("aws:kms", "key/1"), (s3.Requests[0]["x-amz-server-side-encryption"], s3.Requests[0]["x-amz-server-side-encryption-aws-kms-key-id"]));
        Assert.Null(s3.Requests[1]["x-amz-server-side-encryption"]);
    }

    [Theory]
    [InlineData("http://localhost:9000", true)]
    [InlineData("http://127.0.0.1:9000", true)]
    [InlineData("http://[::1]:9000", true)]
    [InlineData("http://10.1.2.3:9000", true)]
    [InlineData("http://172.31.0.1", true)]
    [InlineData("http://192.168.1.1", true)]
    [InlineData("http://172.32.0.1", false)]
    [InlineData("http://11.0.0.1", false)]
    [InlineData("http://10.example.com", false)]
    [InlineData("http://s3.example.com", false)]
    [InlineData("https://s3.example.com", true)]
    [InlineData("s3.example.com", true)]
    [InlineData("", true)]
    public void Backend_T26_Keys_do_not_travel_in_clear_text(string endpoint, bool accepted)
    {
        Exception? refused = Record.Exception(() => Resolve(new S3Options { Bucket = "b", Endpoint = endpoint, SseCustomerKey = Key }));
        Assert.Equal(accepted, refused is null);
        Assert.DoesNotContain(Key, refused?.ToString() ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("AES128", Key, "", "", "AES256")]
    [InlineData("AES128", "", "", "", "AES256")]
    [InlineData("", "not base64!", "", "", "base64")]
    [InlineData("", "c2hvcnQ=", "", "", "32 bytes")]
    [InlineData("", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "", "", "32 bytes")]
    [InlineData("", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "", "", "32 bytes")]
    [InlineData("", Key, "", "kms", "both")]
    [InlineData("", Key, "AAAA", "", "MD5")]
    [InlineData("", "", "AAAA", "", "without")]
    public void Backend_T26_Settings_that_contradict_are_refused(string algorithm, string key, string md5, string kms, string message)
    {
        ReplicaException refused = Assert.Throws<ReplicaException>(
            () => Resolve(new S3Options { Bucket = "b", SseCustomerAlgorithm = algorithm, SseCustomerKey = key, SseCustomerKeyMd5 = md5, SseKmsKeyId = kms }));
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        Assert.False(refused.IsTransient);
    }

    [Fact]
    public void Backend_T26_A_key_file_wins_and_is_trimmed()
    {
        using var folder = new TempDirectory();
        File.WriteAllText(folder["key"], $"\n {Key}\r\n");
        S3Settings settings = S3Settings.Resolve(
            new S3Options { Bucket = "b", SseCustomerKey = "garbage", SseCustomerKeyPath = "~/key", SseCustomerKeyMd5 = KeyMd5 }, null, LocalFileSystem.Instance, folder.Root);
        Assert.Contains(settings.Encryption.Customer, header => header.Value == Key);

        File.WriteAllText(folder["empty"], " \n");
        File.WriteAllText(folder["large"], new string('x', 10_000));
        foreach (string name in new[] { "empty", "large", "missing" })
        {
            ReplicaException refused = Assert.Throws<ReplicaException>(() => Resolve(new S3Options { Bucket = "b", SseCustomerKeyPath = folder[name] }));
            Assert.Contains("sse-customer-key-path: ", refused.Message, StringComparison.Ordinal);
            Assert.Contains(folder[name], refused.Message, StringComparison.Ordinal);
            Assert.False(refused.IsTransient);
        }
    }

    private static S3Settings Resolve(S3Options options) => S3Settings.Resolve(options, region: null, LocalFileSystem.Instance, home: null);
}
