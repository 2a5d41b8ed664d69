using Litestream.TestKit.Servers;

namespace Litestream.EndToEnd.Tests.Clusters;

/// <summary>S3 on three object stores of Ceph, killed in turn.</summary>
internal sealed class CephStore(CephCluster cluster) : IStoreCluster
{
    public IReadOnlyDictionary<string, string> Place => new Dictionary<string, string>
    {
        ["type"] = "s3",
        ["bucket"] = CephCluster.Bucket,
        ["path"] = "app",
        ["endpoint"] = cluster.Endpoint,
        ["access-key-id"] = CephCluster.AccessKey,
        ["secret-access-key"] = CephCluster.Secret,
    };

    public static async Task<IStoreCluster> StartAsync() => new CephStore(await CephCluster.StartAsync());

    public Task<int> ChooseAsync(int kill) => Task.FromResult(kill % CephCluster.Nodes);

    public void Kill(int node) => cluster.Kill(node);

    public Task RestartAsync(int node) => cluster.RestartAsync(node);

    public ValueTask DisposeAsync() => cluster.DisposeAsync();
}
