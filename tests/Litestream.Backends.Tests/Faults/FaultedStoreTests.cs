using Litestream.Backends.Tests.S3;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Faults;

/// <summary>Every fault kind at least 100 times over 16 databases on Ceph (decision D42): nothing acknowledged is lost, nothing read is wrong.</summary>
public sealed class FaultedStoreTests(CephServer server) : IClassFixture<CephServer>
{
    /// <summary>Least hits of each kind.</summary>
    internal const int Hits = 100;

    /// <summary>Longest time for them.</summary>
    internal static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    [Fact]
    public async Task Nothing_acknowledged_is_lost_and_nothing_read_is_wrong()
    {
        S3Options options = server.Options;
        await using FaultProxy proxy = FaultProxy.Start(new Uri(options.Endpoint).Port, FaultWorkload.Faults(seed: 1));
        using var transport = new StorageTransport(FaultWorkload.Options);
        await new FaultWorkload(
            proxy,
            i => new S3ReplicaClient(options with { Path = $"f/{i}", Endpoint = $"http://127.0.0.1:{proxy.Port}" }, transport),
            i => new S3ReplicaClient(options with { Path = $"f/{i}" }, server.Transport),
            largeSize: (5 << 20) + 50_000).RunAsync(Hits, Limit);
    }
}
