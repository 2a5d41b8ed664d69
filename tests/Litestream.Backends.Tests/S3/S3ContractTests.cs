using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>The contract of all replica clients on Ceph.</summary>
[Collection(CephGroup.Name)]
public sealed class CephContractTests(CephServer server)
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

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("sp ace/é")]
    public async Task Backend_T3_Keys_that_clients_like_to_clean_are_stored_as_they_are(string path)
    {
        await using var client = new S3ReplicaClient(server.Options with { Path = path }, server.Transport);
        await FakeS3.WriteAsync(client);
        LtxFileInfo only = Assert.Single(await FakeS3.ListAsync(client));
        await client.DeleteAsync([only], CancellationToken.None);
        Assert.Empty(await FakeS3.ListAsync(client));
    }

    [Fact]
    public async Task A_wrong_secret_and_a_missing_bucket_are_permanent_failures_of_the_first_listing() =>
        await S3RealServerTests.RequirePermanentAsync(server);
}
