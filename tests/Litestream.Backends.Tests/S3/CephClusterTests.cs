using Litestream.Backends.Tests.Faults;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>
/// Object stores of a Ceph cluster are killed while files are written through its gateway. What was acknowledged must be there afterwards, byte for
/// byte. Three kills; <c>NODE_KILLS=20</c> for more.
/// </summary>
public sealed class CephClusterTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Acknowledged_files_survive_killed_object_stores()
    {
        await using CephCluster cluster = await CephCluster.StartAsync();
        using var transport = new StorageTransport(new TransportOptions { GetVariable = _ => null });
        await using var client = new S3ReplicaClient(
            new S3Options
            {
                Bucket = CephCluster.Bucket,
                Path = "cluster",
                Endpoint = cluster.Endpoint,
                AccessKeyId = CephCluster.AccessKey,
                SecretAccessKey = CephCluster.Secret,
            },
            transport);
        var writer = new ClusterWriter(client);
        writer.Start();
        try
        {
            for (int kill = 0; kill < ClusterWriter.Kills; kill++)
            {
                await writer.ProgressAsync();
                cluster.Kill(kill % CephCluster.Nodes);
                await writer.ProgressAsync();
                await cluster.RestartAsync(kill % CephCluster.Nodes);
            }

            await writer.ProgressAsync();
        }
        finally
        {
            await writer.StopAsync();
        }

        output.WriteLine(writer.Figures);
        await writer.AssertKeptAsync();
    }
}
