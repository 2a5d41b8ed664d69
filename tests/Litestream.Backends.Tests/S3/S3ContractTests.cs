using Litestream.Storage.S3;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>The contract of all replica clients on Ceph.</summary>
public sealed class CephContractTests(CephServer server) : IClassFixture<CephServer>
{
    public static TheoryData<string> Cases => [.. ReplicaClientContract.Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Contract(string name)
    {
        await using S3ReplicaClient client = server.CreateClient();
        await ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
    }
}

/// <summary>The contract of all replica clients on Swift, which lacks conditional writes and demands Content-MD5.</summary>
public sealed class SwiftContractTests(SwiftServer server) : IClassFixture<SwiftServer>
{
    public static TheoryData<string> Cases => [.. ReplicaClientContract.Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Contract(string name)
    {
        await using S3ReplicaClient client = server.CreateClient();
        await ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
    }
}
