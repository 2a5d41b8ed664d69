using Litestream.Storage;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Azure;

/// <summary>The contract suite on the emulator: once as configured by default, once with blocks so small that most files need several.</summary>
[Collection(AzuriteCollection.Name)]
public sealed class AzureContractTests(AzuriteServer server)
{
    public static TheoryData<string> Names => [.. ReplicaClientContract.Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Whole_files(string name)
    {
        await using IReplicaClient client = server.CreateClient();
        await Run(name, client);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Small_blocks(string name)
    {
        await using IReplicaClient client = server.CreateClient(server.Options() with { BlockSize = 64 << 10 });
        await Run(name, client);
    }

    private static Task Run(string name, IReplicaClient client) => ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
}
