using Azure.Storage.Blobs;
using Azure.Storage.Sas;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Azure;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;
using Xunit;
using static Litestream.Backends.Tests.Azure.AzureSupport;

namespace Litestream.Backends.Tests.Azure;

/// <summary>Signing in, what a refusal says, and that no secret is in it.</summary>
[Collection(AzuriteCollection.Name)]
public sealed class AzureAccessTests(AzuriteServer server)
{
    private const string OtherKey = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQtcw==";

    [Fact]
    public async Task A_signature_may_be_all_there_is()
    {
        AzureOptions options = server.Options() with { AccountName = "", AccountKey = "", SasToken = server.Sign(BlobContainerSasPermissions.All) };
        await using AzureReplicaClient client = server.CreateClient(options);
        await WriteAsync(client, 1, 1, size: 300);
        await WriteAsync(client, 2, 2, size: 3_000);
        Assert.Equal(2, (await ListAsync(client)).Count);
        Assert.Equal(LtxSample.Create(2, 2, 3_000), await ReadAsync(client, 2, 2));
        await client.DeleteAsync(await ListAsync(client), CancellationToken.None);
        Assert.Empty(await ListAsync(client));
    }

    [Fact]
    public async Task A_wrong_key_is_permanent_and_says_what_to_do()
    {
        AzureOptions options = server.Options() with { AccountKey = OtherKey };
        using StorageTransport transport = Transport(attempts: 10);
        await using AzureReplicaClient client = server.CreateClient(options, transport);
        foreach (Func<Task> call in Calls(client))
        {
            ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(call);
            Assert.False(error.IsTransient);
            Assert.Contains("account-key", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain(OtherKey, error.ToString(), StringComparison.Ordinal);
        }

        Assert.DoesNotContain(OtherKey, options.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(OtherKey, AzureAccess.Of(options, transport.Options).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_or_weak_signature_is_permanent_and_is_not_shown()
    {
        string weak = server.Sign(BlobContainerSasPermissions.Read);
        string signature = weak[(weak.IndexOf("sig=", StringComparison.Ordinal) + 4)..];
        AzureOptions options = server.Options() with { AccountKey = "", SasToken = weak };
        await using AzureReplicaClient client = server.CreateClient(options);
        ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(() => WriteAsync(client, 1, 1));
        Assert.False(error.IsTransient);
        Assert.Contains("sas-token", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(signature, error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(signature, options.ToString(), StringComparison.Ordinal);

        // Nobody answers: the URL with the signature is in nobody's message.
        using StorageTransport transport = Transport();
        await using AzureReplicaClient nowhere = server.CreateClient(options with { Endpoint = "http://127.0.0.1:1/x" }, transport);
        ReplicaException unreachable = await Assert.ThrowsAsync<ReplicaException>(() => ListAsync(nowhere));
        Assert.True(unreachable.IsTransient);
        Assert.DoesNotContain(signature, unreachable.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_container_is_permanent_and_never_a_missing_file()
    {
        using StorageTransport transport = Transport(attempts: 10);
        await using AzureReplicaClient client = server.CreateClient(server.Options(container: "nobody-made-it"), transport);
        foreach (Func<Task> call in Calls(client))
        {
            ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(call);
            Assert.False(error.IsTransient);
            Assert.Contains("create \"nobody-made-it\"", error.Message, StringComparison.Ordinal);
        }

        Assert.False(await server.Service.GetBlobContainerClient("nobody-made-it").ExistsAsync());
    }

    [Theory]
    [InlineData("", "", "", "account name or endpoint required")]
    [InlineData("", "", "key", "account name or endpoint required")]
    [InlineData("", "http://127.0.0.1:1/a", "a2V5", "needs the account name")]
    [InlineData("a", "http://127.0.0.1:1/a", "no base64!", "not base64")]
    [InlineData("a", "127.0.0.1:1/a", "a2V5", "no http or https URL")]
    [InlineData("a", "http://127.0.0.1:1/a?sig=x", "a2V5", "set sas-token")]
    [InlineData("a.b/c", "", "a2V5", "letters and digits")]
    [InlineData("a", "http://127.0.0.1:1/a", "", "needs https")]
    public async Task Settings_that_cannot_work_are_refused_at_the_start(string account, string endpoint, string key, string message)
    {
        using StorageTransport transport = Transport();
        await using var client = new AzureReplicaClient(new AzureOptions("box", "db") { AccountName = account, AccountKey = key, Endpoint = endpoint }, transport);
        for (int i = 0; i < 2; i++)
        {
            ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(async () => await client.InitializeAsync(CancellationToken.None));
            Assert.False(error.IsTransient);
            Assert.Contains(message, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Names_are_looked_up_where_the_account_is()
    {
        using StorageTransport transport = Transport();
        AzureAccess Of(AzureOptions options) => AzureAccess.Of(options, transport.Options);
        var options = new AzureOptions("box", "db") { AccountName = "Acct", AccountKey = "a2V5" };
        Assert.Equal("https://acct.blob.core.windows.net", Of(options).Endpoint);
        Assert.Equal(AzureAuthentication.SharedKey, Of(options).Authentication);
        Assert.Equal(AzureAuthentication.SharedAccessSignature, Of(options with { SasToken = "?sv=1&sig=2" }).Authentication);
        Assert.Equal("sv=1&sig=2", Of(options with { SasToken = "?sv=1&sig=2" }).Secret);
        Assert.Equal(AzureAuthentication.Identity, Of(options with { AccountKey = "" }).Authentication);
        Assert.Equal("https://x.example/acct", Of(options with { Endpoint = "https://x.example/acct/" }).Endpoint);
        Assert.Throws<ReplicaException>(() => Of(options with { Container = "" }));
        Assert.Throws<ReplicaException>(() => Of(options with { BlockSize = 1 }));
    }

    /// <summary>The vendor's own URL builder takes the account for the container where the host is a name with an unusual port.</summary>
    [Theory]
    [InlineData("http://127.0.0.1:{0}/devstoreaccount1")]
    [InlineData("http://localhost:{0}/devstoreaccount1/")]
    public async Task An_emulator_is_found_by_address_and_by_name(string endpoint)
    {
        AzureOptions options = server.Options() with { Endpoint = endpoint.Replace("{0}", $"{server.Port}", StringComparison.Ordinal), BlockSize = 64 << 10 };
        await using AzureReplicaClient client = server.CreateClient(options);
        await WriteAsync(client, 1, 1);
        await WriteAsync(client, 2, 2, size: 200_000);
        Assert.Equal(2, (await ListAsync(client)).Count);
        Assert.Equal(LtxSample.Create(2, 2, 200_000), await ReadAsync(client, 2, 2));
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.Empty(await ListAsync(client));
    }

    [Fact]
    public void Databases_of_one_account_share_connections_and_tokens()
    {
        using StorageTransport transport = Transport();
        AzureOptions options = server.Options();
        Assert.Same(AzureService.Get(options, transport), AzureService.Get(options with { Path = "other", Container = "other" }, transport));
        Assert.NotSame(AzureService.Get(options, transport), AzureService.Get(options with { AccountKey = OtherKey }, transport));
    }

    private static Func<Task>[] Calls(AzureReplicaClient client) =>
    [
        async () => await ListAsync(client),
        async () => await ReadAsync(client, 1, 1),
        async () => await WriteAsync(client, 1, 1),
        async () => await WriteAsync(client, 1, 1, mode: WriteMode.CreateOnly),
        async () => await client.DeleteAsync([new LtxFileInfo(0, new Txid(1), new Txid(1), 1, default)], CancellationToken.None),
        async () => await client.DeleteAllAsync(CancellationToken.None),
        async () => await client.ListGenerationFilesAsync(CancellationToken.None),
    ];
}
