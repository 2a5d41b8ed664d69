using Litestream.Backends.Tests.Gcs;
using Litestream.Backends.Tests.Spool;
using Litestream.Storage.Azure;
using Litestream.Storage.Transport;
using Xunit;

namespace Litestream.Backends.Tests.Azure;

/// <summary>Blocks that wait in files, on the emulator.</summary>
[Collection(AzuriteCollection.Name)]
public sealed class AzureSpooledPartTests(AzuriteServer server) : SpooledPartTests
{
    internal override Task<SpoolStore> OpenAsync(UploadSpool spool)
    {
        var between = new Interposer($"http://127.0.0.1:{server.Port}", async exchange =>
        {
            bool fails = exchange.Method == "PUT" && FailsNow(exchange.Target);
            if (fails)
            {
                await exchange.RespondAsync(500);
            }

            return fails;
        });
        AzureOptions options = server.Options() with { Endpoint = $"{between.Url}/{AzuriteServer.Account}", BlockSize = PartSize, Spool = spool };

        // A transport of its own: clients of one account share what they have, and this address is another test's later.
        StorageTransport transport = AzureSupport.Transport(attempts: 3);
        return Task.FromResult(new SpoolStore(new AzureReplicaClient(options, transport), () => 0, transport, between));
    }
}
