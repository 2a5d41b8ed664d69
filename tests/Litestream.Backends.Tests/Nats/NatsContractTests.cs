using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Nats;

/// <summary>The contract suite on a real nats-server.</summary>
public sealed class NatsContractTests(NatsServerFixture server) : IClassFixture<NatsServerFixture>
{
    public static TheoryData<string> Names => [.. ReplicaClientContract.Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Contract(string name)
    {
        await using TestBucket bucket = await server.CreateBucketAsync();
        await ReplicaClientContract.Cases.Single(c => c.Name == name).Run(bucket.Client);
    }
}
