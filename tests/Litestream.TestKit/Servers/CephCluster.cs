using Litestream.TestKit.Processes;

namespace Litestream.TestKit.Servers;

/// <summary>One monitor, three object stores on bluestore of which a write needs two, and the S3 gateway, started by <c>eng/servers/ceph-cluster.sh</c>.</summary>
public sealed class CephCluster : IAsyncDisposable
{
    /// <summary>Object stores, numbered from 0.</summary>
    public const int Nodes = 3;

    /// <summary>The bucket.</summary>
    public const string Bucket = "test";

    /// <summary>Access key of the one user.</summary>
    public const string AccessKey = "testaccess";

    /// <summary>Its secret.</summary>
    public const string Secret = "testsecret0123456789";

    private const int Ports = 26;

    private readonly StorageServer _server;
    private readonly ServerNodes _nodes;

    private CephCluster(StorageServer server)
    {
        _server = server;
        _nodes = new ServerNodes(server, "osd");
    }

    /// <summary>Address of the gateway.</summary>
    public string Endpoint => $"http://127.0.0.1:{_server.Port}";

    /// <summary>Starts it and waits until the bucket exists and every store has everything.</summary>
    public static async Task<CephCluster> StartAsync()
    {
        StorageServer server = await StorageServer.StartScriptAsync(Path.Combine(Checkout.Root, "eng", "servers", "ceph-cluster.sh"), Ports);
        var cluster = new CephCluster(server);
        try
        {
            await server.WaitUntilAsync(() => Task.FromResult(File.Exists(Path.Combine(server.Folder, "ready"))), "its bucket exists");
            await cluster.WaitUntilCleanAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>kill -9 of one object store.</summary>
    public void Kill(int node) => _nodes.Kill(node);

    /// <summary>Starts a killed object store again and waits until it has everything.</summary>
    public async Task RestartAsync(int node)
    {
        await _nodes.RestartAsync(node);
        await WaitUntilCleanAsync();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async Task WaitUntilCleanAsync()
    {
        CliResult result = await Cli.RunProgramAsync(Path.Combine(_server.Folder, "wait-clean"));
        if (result.ExitCode != 0)
        {
            throw new TimeoutException($"the cluster does not recover: {result.StandardError}{_server.Output}");
        }
    }
}
