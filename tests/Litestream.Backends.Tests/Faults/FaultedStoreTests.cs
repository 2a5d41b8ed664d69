using Litestream.Backends.Tests.Oss;
using Litestream.Storage.S3.Oss;
using Litestream.Storage.Transport;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Faults;

/// <summary>Every fault kind at least 100 times over 16 databases (decision D42): nothing acknowledged is lost, nothing read is wrong.</summary>
public sealed class FaultedStoreTests
{
    private const int Hits = 100;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    [Fact]
    public async Task Oss_stub()
    {
        await using var store = new OssStub();
        await using FaultProxy proxy = FaultProxy.Start(store.Port, FaultWorkload.Faults(seed: 1));
        using var transport = new StorageTransport(FaultWorkload.Options);
        OssReplicaClient Client(int port, int stream) => new(
            new OssOptions
            {
                Bucket = OssStub.Bucket, Path = $"f/{stream}", Endpoint = $"http://127.0.0.1:{port}", AccessKeyId = OssStub.KeyId,
                SecretAccessKey = OssStub.Secret, PartSize = OssOptions.MinPartSize,
            },
            transport);
        await new FaultWorkload(proxy, i => Client(proxy.Port, i), i => Client(store.Port, i), largeSize: 300_000).RunAsync(Hits, Limit);
        Assert.Equal(0, store.OpenUploads);
    }
}
