using Litestream.Storage.Nats;
using Litestream.Storage.Transport;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Nats;

/// <summary>One nats-server for all tests of a class; every test makes a bucket of its own.</summary>
public sealed class NatsServerFixture : IAsyncLifetime
{
    private int _buckets;
    private StorageServer _server = null!;

    public StorageTransport Transport { get; } = new();

    public int Port => _server.Port;

    public string Url => $"nats://127.0.0.1:{Port}";

    public async ValueTask InitializeAsync() => _server = await StorageServer.StartAsync("nats");

    /// <summary>A new, empty bucket.</summary>
    internal async Task<TestBucket> CreateBucketAsync(bool allowDirect = true) =>
        await TestBucket.CreateAsync(new NatsOptions { Url = Url, Bucket = $"test-{Interlocked.Increment(ref _buckets)}" }, Transport, allowDirect: allowDirect);

    public async ValueTask DisposeAsync()
    {
        Transport.Dispose();
        await _server.DisposeAsync();
    }
}
