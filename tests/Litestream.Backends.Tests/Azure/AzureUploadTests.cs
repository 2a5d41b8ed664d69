using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Azure;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;
using Xunit;
using static Litestream.Backends.Tests.Azure.AzureSupport;

namespace Litestream.Backends.Tests.Azure;

/// <summary>Uploads of several blocks, on the emulator.</summary>
[Collection(AzuriteCollection.Name)]
public sealed class AzureUploadTests(AzuriteServer server)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public async Task Blocks_arrive_in_order_however_many_are_in_flight(int concurrency)
    {
        const int size = (10 << 20) + 12_345;
        await using AzureReplicaClient client = server.CreateClient(server.Options() with { BlockSize = 1 << 20, Concurrency = concurrency });
        LtxFileInfo info = await WriteAsync(client, 1, 9, size, level: 9);
        Assert.Equal(size, info.Size);
        byte[] stored = await ReadAsync(client, 1, 9, level: 9);
        Assert.True(LtxSample.Create(1, 9, size).AsSpan().SequenceEqual(stored));
        Assert.Equal([info], await ListAsync(client, level: 9));
    }

    [Theory]
    [InlineData(65_535)]
    [InlineData(65_536)]
    [InlineData(65_537)]
    [InlineData(131_072)]
    public async Task Sizes_around_a_block_arrive_whole(int size)
    {
        await using AzureReplicaClient client = server.CreateClient(server.Options() with { BlockSize = 65_536 });
        await WriteAsync(client, 1, 1, size);
        Assert.Equal(LtxSample.Create(1, 1, size), await ReadAsync(client, 1, 1));
    }

    [Fact]
    public async Task Of_several_creators_of_blocks_one_wins()
    {
        await using AzureReplicaClient client = server.CreateClient(server.Options() with { BlockSize = 64 << 10 });
        bool[] won = await Task.WhenAll(Enumerable.Range(0, 8).Select(async seed =>
        {
            try
            {
                await WriteAsync(client, 1, 1, 300_000, mode: WriteMode.CreateOnly, seed: seed);
                return true;
            }
            catch (ReplicaException e) when (e is ReplicaConflictException || e.IsTransient)
            {
                return false;
            }
        }));
        byte[] stored = await ReadAsync(client, 1, 1);
        Assert.Equal(1, won.Count(w => w));
        Assert.Equal(LtxSample.Create(1, 1, 300_000, seed: Array.IndexOf(won, true)), stored);

        // Repeated, the winner's write succeeds and a loser's is refused for good.
        await WriteAsync(client, 1, 1, 300_000, mode: WriteMode.CreateOnly, seed: Array.IndexOf(won, true));
        await Assert.ThrowsAsync<ReplicaConflictException>(() => WriteAsync(client, 1, 1, 300_000, mode: WriteMode.CreateOnly, seed: 99));
    }

    [Fact]
    public async Task A_cancelled_upload_leaves_nothing_visible_and_can_be_repeated()
    {
        await using AzureReplicaClient client = server.CreateClient(server.Options() with { BlockSize = 64 << 10 });
        byte[] content = LtxSample.Create(1, 1, 4 << 20);
        using var cancellation = new CancellationTokenSource();
        var source = new CancellingSource(content, 2 << 20, cancellation);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await client.WriteAsync(0, new Txid(1), new Txid(1), source, WriteMode.Overwrite, cancellation.Token));
        Assert.Empty(await ListAsync(client));
        await Assert.ThrowsAsync<LtxFileNotFoundException>(() => ReadAsync(client, 1, 1));
        await WriteAsync(client, 1, 1, 4 << 20);
        Assert.Equal(content, await ReadAsync(client, 1, 1));
    }

    /// <summary>A writer of another kind was killed a moment ago: its blocks, with ids of upstream's length, are still there.</summary>
    [Fact]
    public async Task Blocks_of_a_broken_upload_do_no_harm()
    {
        string path = server.NewPath();
        await using AzureReplicaClient client = server.CreateClient(server.Options(path) with { BlockSize = 64 << 10 });
        var blob = new global::Azure.Storage.Blobs.Specialized.BlockBlobClient(
            new Uri($"{server.Endpoint}/{AzuriteServer.Container}/{path}/ltx/0/{LtxSample.Name(1, 1)}"),
            new global::Azure.Storage.StorageSharedKeyCredential(AzuriteServer.Account, AzuriteServer.Key));
        await blob.StageBlockAsync(Convert.ToBase64String(new byte[64]), new MemoryStream(new byte[1000]));
        Assert.Empty(await ListAsync(client));
        await Assert.ThrowsAsync<LtxFileNotFoundException>(() => ReadAsync(client, 1, 1));
        await WriteAsync(client, 1, 1, 200_000, mode: WriteMode.CreateOnly);
        Assert.Equal(LtxSample.Create(1, 1, 200_000), await ReadAsync(client, 1, 1));
    }

    private sealed class CancellingSource(byte[] content, int after, CancellationTokenSource cancellation) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Position >= after)
            {
                cancellation.Cancel();
            }

            return base.ReadAsync(buffer, cancellationToken);
        }
    }
}
