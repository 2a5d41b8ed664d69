using Litestream.Backends.Tests.Faults;
using Litestream.Storage.Transport;
using Xunit;

namespace Litestream.Backends.Tests.Nats;

/// <summary>
/// Nodes of a cluster are killed while files are written. What was acknowledged must be there afterwards, byte for byte. Three kills;
/// <c>NODE_KILLS=20</c> for more.
/// </summary>
public sealed class NatsClusterTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Acknowledged_files_survive_killed_nodes()
    {
        await using NatsCluster cluster = await NatsCluster.StartAsync();
        using var transport = new StorageTransport();
        await using TestBucket bucket = await cluster.CreateBucketAsync("cluster", transport);
        var writer = new ClusterWriter(bucket.Client);
        writer.Start();
        try
        {
            for (int kill = 0; kill < ClusterWriter.Kills; kill++)
            {
                await writer.ProgressAsync();

                // The leader two times out of three, else one of the others.
                int leader = await NatsCluster.LeaderAsync(bucket);
                int victim = kill % 3 == 2 ? (leader % 3) + 1 : leader;
                cluster.Kill(victim);
                await writer.ProgressAsync();
                await cluster.RestartAsync(victim, bucket);
            }

            await writer.ProgressAsync();
        }
        finally
        {
            await writer.StopAsync();
        }

        output.WriteLine(writer.Figures);
        await writer.AssertKeptAsync(async () => string.Join(Environment.NewLine, await cluster.StatesAsync()));
    }
}
