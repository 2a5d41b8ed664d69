using Litestream.Storage.Sftp;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Sftp;

/// <summary>One OpenSSH server for all tests of the backend, and clients of it.</summary>
public sealed class SftpServer : IAsyncLifetime
{
    private int _paths;
    private StorageServer? _server;

    /// <summary>Short waits between attempts.</summary>
    public static TransportOptions Fast { get; } = new()
    {
        Retry = new RetryOptions(10, TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(200)),
        GetVariable = _ => null,
    };

    /// <summary>What the clients of all tests share.</summary>
    public StorageTransport Transport { get; } = new(Fast);

    /// <summary>Port of the server.</summary>
    public int Port => _server!.Port;

    /// <summary>The key line of the server.</summary>
    public string HostKey => File.ReadAllText(Key("host_key.pub"));

    /// <summary>Directory that the server works on, here seen locally.</summary>
    public string Data => Path.Combine(_server!.Folder, "data");

    /// <summary>Options with an own path.</summary>
    public SftpOptions Options() => new()
    {
        Host = $"127.0.0.1:{Port}",
        User = Environment.UserName,
        KeyPath = Key("client_key"),
        HostKey = HostKey,
        KnownHostsPath = "",
        Path = Path.Combine(Data, $"replica-{Interlocked.Increment(ref _paths)}"),
    };

    /// <summary>A client with an own path; all of them share connections.</summary>
    public SftpReplicaClient Client() => new(Options(), Transport);

    /// <summary>Path of a file that the server's script has made.</summary>
    public string Key(string name) => Path.Combine(_server!.Folder, name);

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => _server = await StorageServer.StartAsync("sftp");

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Transport.Dispose();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }
}

/// <summary>All tests of the backend share the server.</summary>
[CollectionDefinition(nameof(SftpTests))]
public sealed class SftpTests : ICollectionFixture<SftpServer>;
