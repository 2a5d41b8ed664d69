using Litestream.Storage.Sftp;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Sftp;

/// <summary>What every client must do, on OpenSSH.</summary>
[Collection(nameof(SftpTests))]
public sealed class SftpContractTests(SftpServer server)
{
    /// <summary>Names of the cases.</summary>
    public static TheoryData<string> Cases => [.. ReplicaClientContract.Cases.Select(each => each.Name)];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Backend_T7_T18_T19_Contract(string name)
    {
        await using SftpReplicaClient client = server.Client();
        await ReplicaClientContract.Cases.Single(each => each.Name == name).Run(client);
    }
}
