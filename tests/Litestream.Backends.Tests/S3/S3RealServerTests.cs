using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>What only a real server can prove: signatures, conditions, encryption, TLS.</summary>
[Collection(CephGroup.Name)]
public sealed class S3RealServerTests(CephServer server)
{
    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("/")]
    [InlineData("db/")]
    [InlineData("/lead")]
    [InlineData("./dot")]
    [InlineData("a//b")]
    [InlineData("a/../b")]
    [InlineData("%20 ~é!*'()$&+,:;=@?#")]
    public async Task Backend_T3_Odd_keys_are_stored_listed_read_and_deleted(string path)
    {
        await server.SendAsync("PUT", "odd");
        await using var client = new S3ReplicaClient(server.Options with { Bucket = "odd", Path = path }, server.Transport);
        await FakeS3.WriteAsync(client, 1);
        await FakeS3.WriteAsync(client, 2);
        Assert.Equal(2, (await FakeS3.ListAsync(client, accurate: true)).Count);
        await using (Stream stream = await client.OpenAsync(0, new Txid(1), new Txid(1), 0, 0, CancellationToken.None))
        {
            byte[] content = new byte[300];
            await stream.ReadExactlyAsync(content);
            Assert.Equal(LtxSample.Create(1, 1), content);
        }

        await client.DeleteAsync([new LtxFileInfo(0, new Txid(1), new Txid(1), 300, default)], CancellationToken.None);
        Assert.Single(await FakeS3.ListAsync(client));
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.Empty(await FakeS3.ListAsync(client));
    }

    /// <summary>Command line trap B23: a URL without a path means the whole bucket, and earlier releases wrote under "./" there.</summary>
    [Fact]
    public async Task A_replica_under_the_former_path_is_found_and_continued()
    {
        await server.SendAsync("PUT", "former");
        S3Options options = server.Options with { Bucket = "former", Path = "", FormerPath = "." };
        await using (var fresh = new S3ReplicaClient(options, server.Transport))
        {
            await FakeS3.WriteAsync(fresh, 1);
        }

        await using (var whole = new S3ReplicaClient(options with { FormerPath = null }, server.Transport))
        {
            Assert.Single(await FakeS3.ListAsync(whole));
        }

        await using var former = new S3ReplicaClient(options with { Path = ".", FormerPath = null }, server.Transport);
        await FakeS3.WriteAsync(former, 1);
        await FakeS3.WriteAsync(former, 2);
        await using var found = new S3ReplicaClient(options, server.Transport);
        Assert.Equal(2, (await FakeS3.ListAsync(found)).Count);
        await FakeS3.WriteAsync(found, 3);
        Assert.Equal(3, (await FakeS3.ListAsync(former)).Count);
    }

    [Fact]
    public async Task Of_eight_writers_with_clients_of_their_own_one_wins()
    {
        S3Options options = server.Options;
        for (ulong txid = 1; txid <= 5; txid++)
        {
            ulong current = txid;
            bool[] won = await Task.WhenAll(Enumerable.Range(0, 8).Select(seed => Task.Run(async () =>
            {
                using var transport = new StorageTransport(new TransportOptions { GetVariable = _ => null });
                await using var client = new S3ReplicaClient(options, transport);
                try
                {
                    await FakeS3.WriteAsync(client, current, mode: WriteMode.CreateOnly, seed: seed);
                    return true;
                }
                catch (ReplicaConflictException)
                {
                    return false;
                }
            })));
            Assert.Equal(1, won.Count(w => w));
        }
    }

    [Fact]
    public async Task A_large_creation_over_another_file_is_a_conflict()
    {
        await using S3ReplicaClient client = server.CreateClient();
        await FakeS3.WriteAsync(client, size: 6 << 20, mode: WriteMode.CreateOnly);
        await FakeS3.WriteAsync(client, size: 6 << 20, mode: WriteMode.CreateOnly);
        await Assert.ThrowsAsync<ReplicaConflictException>(async () => await FakeS3.WriteAsync(client, size: 6 << 20, mode: WriteMode.CreateOnly, seed: 1));
    }

    [Fact]
    public async Task A_wrong_secret_and_a_missing_bucket_are_permanent_failures_of_the_first_listing() => await RequirePermanentAsync(server);

    // The server compares the hash in the signature with what arrives: both must be of the bytes in the file.
    [Fact]
    public async Task A_part_that_waits_in_a_file_is_signed_as_it_is_sent()
    {
        using var folder = new TempDirectory();
        var spool = new UploadSpool(LocalFileSystem.Instance, folder["state"]) { MemoryLimit = 1 << 20 };
        await using var client = new S3ReplicaClient(server.Options with { Spool = spool }, server.Transport);
        byte[] content = LtxSample.Create(1, 9, (11 << 20) + 5);
        await client.WriteAsync(9, new Txid(1), new Txid(9), new MemoryStream(content), WriteMode.Overwrite, CancellationToken.None);
        await using Stream stored = await client.OpenAsync(9, new Txid(1), new Txid(9), 0, 0, CancellationToken.None);
        byte[] read = new byte[content.Length + 1];
        int count = await stored.ReadAtLeastAsync(read, read.Length, throwOnEndOfStream: false);
        Assert.True(content.AsSpan().SequenceEqual(read.AsSpan(0, count)));
        Assert.Empty(Directory.GetFileSystemEntries(spool.Directory));
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task Bucket_in_the_host_name_and_unsigned_bodies_are_accepted(bool sign, bool pathStyle)
    {
        await using var client = new S3ReplicaClient(
            server.Options with
            {
                Endpoint = $"http://localhost:{server.Port}", ConnectTo = $"http://127.0.0.1:{server.Port}", ForcePathStyle = pathStyle, SignPayload = sign,
            },
            server.Transport);
        await FakeS3.WriteAsync(client, size: 6 << 20);
        LtxFileInfo file = Assert.Single(await FakeS3.ListAsync(client, accurate: true));
        Assert.Equal(LtxSample.Time, file.CreatedAt);
        await client.DeleteAsync([file], CancellationToken.None);
        Assert.Empty(await FakeS3.ListAsync(client));
    }

    [Theory]
    [InlineData(300)]
    [InlineData(6 << 20)]
    public async Task Backend_T26_Content_is_encrypted_with_the_customers_key(int size)
    {
        S3Options options = server.Options with { SseCustomerKey = S3EncryptionTests.Key, StorageClass = "STANDARD_IA" };
        await using var client = new S3ReplicaClient(options, server.Transport);
        await FakeS3.WriteAsync(client, size: size, mode: WriteMode.CreateOnly);
        await FakeS3.WriteAsync(client, size: size, mode: WriteMode.CreateOnly);
        Assert.Equal(LtxSample.Time, Assert.Single(await FakeS3.ListAsync(client, accurate: true)).CreatedAt);
        await using (Stream stream = await client.OpenAsync(0, new Txid(1), new Txid(1), 0, 0, CancellationToken.None))
        {
            byte[] content = new byte[size];
            await stream.ReadExactlyAsync(content);
            Assert.Equal(LtxSample.Create(1, 1, size), content);
        }

        await using var keyless = new S3ReplicaClient(options with { SseCustomerKey = "" }, server.Transport);
        ReplicaException refused = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await keyless.OpenAsync(0, new Txid(1), new Txid(1), 0, 0, CancellationToken.None));
        Assert.False(refused is LtxFileNotFoundException);
        Assert.False(refused.IsTransient);
    }

    [Fact]
    public async Task Backend_T36_A_certificate_bundle_of_the_environment_is_honoured()
    {
        using var folder = new TempDirectory();
        File.WriteAllText(folder["empty"], "");
        await ListAsync(Path.Combine(server.Folder, "tls.crt"), skipVerify: false);
        await ListAsync("", skipVerify: true);
        ReplicaException unknown = await Assert.ThrowsAnyAsync<ReplicaException>(() => ListAsync("", skipVerify: false));
        Assert.Contains("certificate", unknown.Message, StringComparison.Ordinal);
        Assert.False(unknown.IsTransient);
        foreach (string file in new[] { folder["empty"], folder["missing"] })
        {
            ReplicaException refused = await Assert.ThrowsAnyAsync<ReplicaException>(() => ListAsync(file, skipVerify: false));
            Assert.Contains("AWS_CA_BUNDLE", refused.Message, StringComparison.Ordinal);
            Assert.Contains(file, refused.Message, StringComparison.Ordinal);
            Assert.False(refused.IsTransient);
        }

        async Task ListAsync(string bundle, bool skipVerify)
        {
            using StorageTransport transport = FakeS3.CreateTransport(variables: name => name == "AWS_CA_BUNDLE" ? bundle : null);
            await using var client = new S3ReplicaClient(server.Options with { Endpoint = $"https://localhost:{server.Port + 11}", SkipVerify = skipVerify }, transport);
            Assert.Empty(await FakeS3.ListAsync(client));
        }
    }

    [Fact]
    public async Task Backend_T34_Everything_below_the_path_goes_and_nothing_beside_it()
    {
        S3Options options = server.Options;
        await using var client = new S3ReplicaClient(options, server.Transport);
        await using var sibling = new S3ReplicaClient(options with { Path = options.Path + "2" }, server.Transport);
        await FakeS3.WriteAsync(client);
        await FakeS3.WriteAsync(sibling);
        foreach (string name in new[] { "lock.json", "generations/0123456789abcdef/wal/x", "a&b <c> 'é\"" })
        {
            await server.SendAsync("PUT", "test", $"{options.Path}/{name}", body: "x");
        }

        await client.DeleteAllAsync(CancellationToken.None);
        var bucket = await S3Opener.OpenAsync(options, server.Transport, LocalFileSystem.Instance, CancellationToken.None);
        await foreach (ObjectListing page in bucket.ListAsync(options.Path + "/", null, null, CancellationToken.None))
        {
            Assert.Empty(page.Objects);
        }

        Assert.Single(await FakeS3.ListAsync(sibling));
    }

    [Fact]
    public async Task Backend_T31_Old_generations_are_listed_and_read()
    {
        S3Options options = server.Options;
        string root = options.Path + "/generations/0123456789abcdef/";
        foreach (string name in new[]
        {
            "snapshots/00000002.snapshot.lz4", "snapshots/00000000.snapshot.lz4", "snapshots/note.txt", "wal/00000001_00000000.wal.lz4",
            "wal/00000001_100000000.wal.lz4", "wal/00000001_0000000200000000.wal.lz4", "wal/00000000_00001000.wal.lz4",
        })
        {
            await server.SendAsync("PUT", "test", root + name, body: name);
        }

        await server.SendAsync("PUT", "test", options.Path + "/generations/NOT/snapshots/00000000.snapshot.lz4", body: "x");
        await using var client = new S3ReplicaClient(options with { Path = "./" + options.Path + "/" }, server.Transport);
        IReadOnlyList<GenerationFile> files = await client.ListGenerationFilesAsync(CancellationToken.None);
        Assert.Equal(
            [(0, -1L), (2, -1L), (0, 0x1000L), (1, 0L), (1, 0x1_0000_0000L), (1, 0x2_0000_0000L)], files.Select(file => (file.Index, file.Offset)));
        using var reader = new StreamReader(await client.OpenGenerationFileAsync(files[^1], 4, CancellationToken.None));
        Assert.Equal("00000001_0000000200000000.wal.lz4", await reader.ReadToEndAsync());
        await using S3ReplicaClient empty = server.CreateClient();
        Assert.Empty(await empty.ListGenerationFilesAsync(CancellationToken.None));
        ReplicaException missing = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await empty.OpenGenerationFileAsync(files[0], 0, CancellationToken.None));
        Assert.False(missing.IsTransient);
    }

    internal static async Task RequirePermanentAsync(S3Server server)
    {
        foreach ((S3Options options, string advice) in new[]
        {
            (server.Options with { SecretAccessKey = "wrong" }, "secret-access-key"),
            (server.Options with { AccessKeyId = "nobody" }, "access-key-id"),
            (server.Options with { Bucket = "missing-bucket" }, "does not exist"),
        })
        {
            await using var client = new S3ReplicaClient(options, server.Transport);
            await client.InitializeAsync(CancellationToken.None);
            ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await FakeS3.ListAsync(client));
            Assert.False(failure.IsTransient);
            Assert.Contains(advice, failure.Message, StringComparison.Ordinal);
            ReplicaException open = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await client.OpenAsync(0, new Txid(1), new Txid(1), 0, 0, CancellationToken.None));
            Assert.False(open is LtxFileNotFoundException);
        }
    }
}
