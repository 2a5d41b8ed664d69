using Litestream.Storage.WebDav;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.WebDav;

/// <summary>The contract suite on Apache, with every kind of access.</summary>
public sealed class WebDavContractTests(WebDavServer server) : IClassFixture<WebDavServer>
{
    public static TheoryData<WebDavAccess, string> Cases
    {
        get
        {
            var cases = new TheoryData<WebDavAccess, string>();
            foreach (WebDavAccess access in Enum.GetValues<WebDavAccess>())
            {
                foreach (ReplicaContractCase one in ReplicaClientContract.Cases)
                {
                    cases.Add(access, one.Name);
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Apache(WebDavAccess access, string name)
    {
        await using WebDavReplicaClient client = await server.ClientAsync(access, WebDavServer.NewPath());
        await ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
    }
}
