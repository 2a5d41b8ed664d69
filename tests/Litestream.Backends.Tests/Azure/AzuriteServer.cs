using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Sas;
using Litestream.Storage.Azure;
using Litestream.Storage.Transport;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Azure;

/// <summary>One emulator for all Azure tests; they use paths or containers of their own.</summary>
public sealed class AzuriteServer : IAsyncLifetime
{
    public const string Account = "devstoreaccount1";

    /// <summary>The emulator's key, which everybody knows.</summary>
    public const string Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    private StorageServer? server;
    private int paths;

    /// <summary>A container that exists.</summary>
    public const string Container = "replicas";

    public string Endpoint => $"http://127.0.0.1:{server!.Port}/{Account}";

    public int Port => server!.Port;

    /// <summary>Connections of the tests that look at no transport of their own.</summary>
    public StorageTransport Transport { get; } = AzureSupport.Transport(attempts: 3);

    /// <summary>The emulator through the vendor's library.</summary>
    public BlobServiceClient Service => new(new Uri(Endpoint), new StorageSharedKeyCredential(Account, Key), new BlobClientOptions { TrimBlobNameSlashes = false });

    public async ValueTask InitializeAsync()
    {
        server = await StorageServer.StartAsync("azurite", 1, new Dictionary<string, string> { ["AZURITE_MEMORY"] = "1" });
        await CreateContainerAsync(Container);
    }

    public async Task<BlobContainerClient> CreateContainerAsync(string name)
    {
        BlobContainerClient container = Service.GetBlobContainerClient(name);
        await container.CreateAsync();
        return container;
    }

    /// <summary>A path that no other test uses.</summary>
    public string NewPath() => $"test-{Interlocked.Increment(ref paths)}";

    public AzureOptions Options(string? path = null, string container = Container) =>
        new(container, path ?? NewPath()) { AccountName = Account, AccountKey = Key, Endpoint = Endpoint };

    public AzureReplicaClient CreateClient(AzureOptions? options = null, StorageTransport? transport = null) => new(options ?? Options(), transport ?? Transport);

    /// <summary>A signature for the container, without <c>?</c>.</summary>
    public string Sign(BlobContainerSasPermissions permissions)
    {
        var builder = new BlobSasBuilder(permissions, DateTimeOffset.UtcNow.AddHours(1)) { BlobContainerName = Container };
        return builder.ToSasQueryParameters(new StorageSharedKeyCredential(Account, Key)).ToString();
    }

    public async ValueTask DisposeAsync()
    {
        Transport.Dispose();
        if (server is not null)
        {
            await server.DisposeAsync();
        }
    }
}

/// <summary>All tests that use the emulator.</summary>
[CollectionDefinition(Name)]
public sealed class AzuriteCollection : ICollectionFixture<AzuriteServer>
{
    public const string Name = "azurite";
}
