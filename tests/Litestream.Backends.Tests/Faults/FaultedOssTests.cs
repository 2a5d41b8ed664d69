using Litestream.Backends.Tests.Oss;
using Litestream.Storage.S3.Oss;
using Litestream.Storage.Transport;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Faults;

/// <summary>The same as <see cref="FaultedStoreTests"/> on OSS.</summary>
public sealed class FaultedOssTests
{
    [Fact]
    public async Task Nothing_acknowledged_is_lost_and_nothing_read_is_wrong()
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
        await new FaultWorkload(proxy, i => Client(proxy.Port, i), i => Client(store.Port, i), largeSize: 300_000)
            .RunAsync(FaultedStoreTests.Hits, FaultedStoreTests.Limit);
    }
}
