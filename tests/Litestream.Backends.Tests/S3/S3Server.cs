using Litestream.Storage.S3;
using Litestream.Storage.Transport;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>One server for all tests of a kind; each test takes a path of its own.</summary>
public abstract class S3Server(string script, int ports, string accessKey, string secret) : IAsyncLifetime
{
    private StorageServer? _server;
    private int _paths;

    /// <summary>Connections of the tests.</summary>
    internal StorageTransport Transport { get; } = new(new TransportOptions { GetVariable = _ => null });

    /// <summary>Options of a replica at a fresh path.</summary>
    internal S3Options Options => new()
    {
        Bucket = "test",
        Path = $"t{Interlocked.Increment(ref _paths)}",
        Endpoint = $"http://127.0.0.1:{_server!.Port}",
        AccessKeyId = accessKey,
        SecretAccessKey = secret,
    };

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _server = await StorageServer.StartAsync(script, ports);
        await _server.WaitUntilAsync(IsReadyAsync, "its bucket exists");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Transport.Dispose();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>A client at a fresh path.</summary>
    internal S3ReplicaClient CreateClient() => new(Options, Transport);

    private async Task<bool> IsReadyAsync()
    {
        using var transport = new StorageTransport(new TransportOptions { GetVariable = _ => null, Retry = new RetryOptions(1, TimeSpan.Zero, TimeSpan.Zero) });
        await using var client = new S3ReplicaClient(Options, transport);
        try
        {
            await foreach (Storage.LtxFileInfo file in client.ListAsync(0, default, false, CancellationToken.None))
            {
            }

            return true;
        }
        catch (Storage.ReplicaException)
        {
            return false;
        }
    }
}

/// <summary>Ceph RADOS gateway.</summary>
public sealed class CephServer() : S3Server("s3", 13, "testaccess", "testsecret0123456789");

/// <summary>OpenStack Swift with its S3 interface: strict where many look-alikes are.</summary>
public sealed class SwiftServer() : S3Server("s3-swift", 5, "test:tester", "testing");
