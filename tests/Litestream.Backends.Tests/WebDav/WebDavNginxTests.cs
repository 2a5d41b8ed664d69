using Litestream.Storage.WebDav;
using Litestream.TestKit;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.WebDav;

/// <summary>The contract suite on nginx, which reads the standard differently: slashes at the end matter.</summary>
public sealed class WebDavNginxTests(WebDavNginxTests.Nginx nginx) : IClassFixture<WebDavNginxTests.Nginx>
{
    public static TheoryData<string> Names => [.. ReplicaClientContract.Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Contract(string name)
    {
        await using WebDavReplicaClient client = nginx.Servers.Client($"http://127.0.0.1:{nginx.Port}", WebDavServer.NewPath());
        await ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
    }

    /// <summary>The server.</summary>
    public sealed class Nginx : IAsyncLifetime
    {
        private StorageServer? _server;

        public WebDavServer Servers { get; } = new();

        public int Port => _server!.Port;

        public async ValueTask InitializeAsync() => _server = await StorageServer.StartScriptAsync(Path.Combine(Checkout.Root, "tests", "Litestream.Backends.Tests", "WebDav", "nginx.sh"));

        public async ValueTask DisposeAsync()
        {
            await Servers.DisposeAsync();
            if (_server is not null)
            {
                await _server.DisposeAsync();
            }
        }
    }
}
