using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>Reading a versioned bucket as it was (decision D38).</summary>
[Collection(CephGroup.Name)]
public sealed class S3AsOfTests(CephServer server)
{
    [Fact]
    public async Task A_deleted_and_an_overwritten_file_are_seen_as_they_were()
    {
        S3Options options = await CreateVersionedAsync();
        await using var client = new S3ReplicaClient(options, server.Transport);
        LtxFileInfo first = await FakeS3.WriteAsync(client, 1, 300);
        await FakeS3.WriteAsync(client, 2, 300);
        DateTimeOffset before = await TimeAfterAsync(client, 2);
        await client.DeleteAsync([first], CancellationToken.None);
        await FakeS3.WriteAsync(client, 2, 500, seed: 7);
        await FakeS3.WriteAsync(client, 3, 300);

        Assert.Equal(["2:500", "3:300"], await SizesAsync(client));
        await using var past = new S3ReplicaClient(options with { AsOf = before }, server.Transport);
        Assert.Equal(["1:300", "2:300"], await SizesAsync(past));
        Assert.Equal(["2:300"], (await FakeS3.ListAsync(past, seek: 2)).Select(file => $"{file.MinTxid.Value}:{file.Size}"));
        Assert.All(await FakeS3.ListAsync(past, accurate: true), file => Assert.Equal(LtxSample.Time, file.CreatedAt));
        Assert.Equal(LtxSample.Create(1, 1), await ReadAsync(past, 1));
        Assert.Equal(LtxSample.Create(2, 2), await ReadAsync(past, 2));

        // Also without a listing before.
        await using var fresh = new S3ReplicaClient(options with { AsOf = before }, server.Transport);
        Assert.Equal(LtxSample.Create(1, 1), await ReadAsync(fresh, 1));
        await Assert.ThrowsAsync<LtxFileNotFoundException>(() => ReadAsync(fresh, 3));
        await using var ancient = new S3ReplicaClient(options with { AsOf = before.AddYears(-1) }, server.Transport);
        Assert.Empty(await FakeS3.ListAsync(ancient));
        await using var now = new S3ReplicaClient(options with { AsOf = before.AddYears(1) }, server.Transport);
        Assert.Equal(["2:500", "3:300"], await SizesAsync(now));
    }

    [Fact]
    public async Task More_versions_than_a_page_holds_are_read_to_the_end()
    {
        S3Options options = await CreateVersionedAsync();
        await using var client = new S3ReplicaClient(options, server.Transport);
        await FakeS3.WriteAsync(client, 1, 130);
        DateTimeOffset before = await TimeAfterAsync(client, 1);
        await Parallel.ForAsync(0, 1050, async (i, token) => await FakeS3.WriteAsync(client, 1, 131 + i, cancellationToken: token));
        await FakeS3.WriteAsync(client, 2, 130);
        await using var past = new S3ReplicaClient(options with { AsOf = before }, server.Transport);
        Assert.Equal(["1:130"], await SizesAsync(past));
        Assert.Equal(LtxSample.Create(1, 1, 130), await ReadAsync(past, 1));
    }

    [Fact]
    public async Task A_bucket_without_versions_is_refused_and_the_past_is_not_written()
    {
        await using var client = new S3ReplicaClient(server.Options with { AsOf = TimeProvider.System.GetUtcNow() }, server.Transport);
        ReplicaException refused = await Assert.ThrowsAsync<ReplicaException>(() => FakeS3.ListAsync(client));
        Assert.Contains("keeps no versions", refused.Message, StringComparison.Ordinal);
        Assert.False(refused.IsTransient);
        await Assert.ThrowsAsync<ReplicaException>(async () => await FakeS3.WriteAsync(client));
        await Assert.ThrowsAsync<ReplicaException>(async () => await client.DeleteAsync([], CancellationToken.None));
        await Assert.ThrowsAsync<ReplicaException>(async () => await client.DeleteAllAsync(CancellationToken.None));
        Assert.Empty(await client.ListGenerationFilesAsync(CancellationToken.None));
    }

    private async Task<S3Options> CreateVersionedAsync()
    {
        await server.SendAsync("PUT", "versions");
        await server.SendAsync(
            "PUT", "versions", parameter: "versioning",
            body: "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>");
        return server.Options with { Bucket = "versions" };
    }

    /// <summary>
    /// A time at which the store has the file and after which everything else is written: the file is written again until the store's clock, whose
    /// listing may be coarse, shows a later time than before.
    /// </summary>
    private static async Task<DateTimeOffset> TimeAfterAsync(S3ReplicaClient client, ulong txid)
    {
        DateTimeOffset stored = (await FakeS3.ListAsync(client)).Single(file => file.MinTxid.Value == txid).CreatedAt;
        for (ulong marker = 1; ; marker++)
        {
            await client.WriteAsync(5, new Txid(1), new Txid(1), new MemoryStream(LtxSample.Create(1, 1)), WriteMode.Overwrite, CancellationToken.None);
            if ((await FakeS3.ListAsync(client, level: 5))[0].CreatedAt > stored)
            {
                return stored;
            }
        }
    }

    private static async Task<IEnumerable<string>> SizesAsync(S3ReplicaClient client) =>
        (await FakeS3.ListAsync(client)).Select(file => $"{file.MinTxid.Value}:{file.Size}");

    private static async Task<byte[]> ReadAsync(S3ReplicaClient client, ulong txid)
    {
        await using Stream stream = await client.OpenAsync(0, new Txid(txid), new Txid(txid), 0, 0, CancellationToken.None);
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }
}
