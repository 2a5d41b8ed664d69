using Litestream.Storage.Gcs;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Gcs;

/// <summary>The contract suite with a service account.</summary>
public sealed class GcsContractTests(GcsServer server) : IClassFixture<GcsServer>
{
    public static TheoryData<string> Names => [.. ReplicaClientContract.Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Service_account(string name)
    {
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath());
        await ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
    }
}
