using Litestream.Storage.Gcs;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Gcs;

/// <summary>The contract suite, with tokens and as an emulator.</summary>
[Collection(GcsTests.Name)]
public sealed class GcsContractTests(GcsServer server)
{
    public static TheoryData<string> Names => [.. ReplicaClientContract.Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Service_account(string name)
    {
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath());
        await ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
    }

    // Small chunks: what the suite writes then also goes through resumable uploads.
    [Theory]
    [MemberData(nameof(Names))]
    public async Task Emulator_with_small_chunks(string name)
    {
        var options = new GcsOptions { Bucket = GcsServer.Bucket, Path = GcsServer.NewPath(), ChunkSize = GcsOptions.ChunkUnit };
        await using var client = new GcsReplicaClient(options, server.Emulated);
        await ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
    }
}
