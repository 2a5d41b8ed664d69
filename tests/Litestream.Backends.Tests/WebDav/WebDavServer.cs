using Litestream.Storage;
using Litestream.Storage.Transport;
using Litestream.Storage.WebDav;
using Litestream.TestKit;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.WebDav;

/// <summary>How the Apache of a test lets its clients in.</summary>
public enum WebDavAccess
{
    Open,
    Basic,
    Digest,
    Tls,
}

/// <summary>Apache servers with mod_dav, one for each kind of access, started when they are first used.</summary>
public sealed class WebDavServer : IAsyncLifetime
{
    private readonly Dictionary<WebDavAccess, Task<StorageServer>> _servers = [];
    private readonly Lock _gate = new();
    private readonly TempDirectory _spool = new();

    /// <summary>Where uploads are spooled.</summary>
    public string Spool => _spool.Root;

    /// <summary>Connections of all tests.</summary>
    internal StorageTransport Transport { get; } = CreateTransport();

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        Transport.Dispose();
        foreach (Task<StorageServer> server in _servers.Values)
        {
            await (await server).DisposeAsync();
        }

        _spool.Dispose();
    }

    internal static StorageTransport CreateTransport(int attempts = 4, TimeSpan? idle = null) => new(new TransportOptions
    {
        Retry = new RetryOptions(attempts, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(5)),
        IdleTimeout = idle ?? TimeSpan.FromSeconds(60),
    });

    /// <summary>The server of a kind.</summary>
    public Task<StorageServer> GetAsync(WebDavAccess access)
    {
        lock (_gate)
        {
            if (!_servers.TryGetValue(access, out Task<StorageServer>? server))
            {
                _servers[access] = server = StorageServer.StartAsync("webdav", environment: new Dictionary<string, string>
                {
                    ["WEBDAV_AUTH"] = access switch { WebDavAccess.Open => "none", WebDavAccess.Digest => "digest", _ => "basic" },
                    ["WEBDAV_TLS"] = access == WebDavAccess.Tls ? "1" : "",
                });
            }

            return server;
        }
    }

    /// <summary>A path that no other test uses.</summary>
    public static string NewPath() => "t/" + Guid.NewGuid().ToString("N");

    /// <summary>A client of a server.</summary>
    internal async Task<WebDavReplicaClient> ClientAsync(WebDavAccess access, string path, string? url = null, string password = "p")
    {
        StorageServer server = await GetAsync(access);
        bool tls = access == WebDavAccess.Tls;
        return new WebDavReplicaClient(
            new WebDavOptions
            {
                Url = url ?? $"{(tls ? "https" : "http")}://127.0.0.1:{server.Port}",
                Path = path,
                Username = access == WebDavAccess.Open ? "" : "u",
                Password = access == WebDavAccess.Open ? "" : password,
                Spool = new UploadSpool(LocalFileSystem.Instance, Path.Combine(_spool.Root, "spool")),
                Trust = tls ? new HttpTrust(BundlePath: Path.Combine(server.Folder, "tls.crt"), BundleVariable: "test") : HttpTrust.System,
            },
            Transport);
    }

    /// <summary>A client of an address without login.</summary>
    internal WebDavReplicaClient Client(string url, string path = "", StorageTransport? transport = null) => new(
        new WebDavOptions { Url = url, Path = path, Spool = new UploadSpool(LocalFileSystem.Instance, Path.Combine(_spool.Root, "spool")) }, transport ?? Transport);
}
