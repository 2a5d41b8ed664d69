using Litestream.Storage.Gcs;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Gcs;

/// <summary>The contract suite on an emulator, in small chunks: what the suite writes then also goes through resumable uploads.</summary>
public sealed class GcsEmulatorContractTests(GcsServer server) : IClassFixture<GcsServer>
{
    public static TheoryData<string> Names => [.. ReplicaClientContract.Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Emulator(string name)
    {
        var options = new GcsOptions { Bucket = GcsServer.Bucket, Path = GcsServer.NewPath(), ChunkSize = GcsOptions.ChunkUnit };
        await using var client = new GcsReplicaClient(options, server.Emulated);
        await ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
    }
}
