using Litestream.Backends.Tests.Gcs;
using Litestream.Backends.Tests.Spool;
using Litestream.Storage.Transport;
using Litestream.Storage.WebDav;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.WebDav;

/// <summary>WebDAV knows no parts: a whole file waits.</summary>
public sealed class WebDavSpooledPartTests(WebDavServer server) : SpooledPartTests, IClassFixture<WebDavServer>
{
    protected override int FilesOfUpload => 1;

    internal override async Task<SpoolStore> OpenAsync(UploadSpool spool)
    {
        StorageServer open = await server.GetAsync(WebDavAccess.Open);
        var between = new Interposer($"http://127.0.0.1:{open.Port}", async exchange =>
        {
            bool fails = exchange.Method == "PUT" && FailsNow(exchange.Target);
            if (fails)
            {
                await exchange.RespondAsync(500);
            }

            return fails;
        });
        return new SpoolStore(
            new WebDavReplicaClient(new WebDavOptions { Url = between.Url, Path = WebDavServer.NewPath(), Spool = spool }, server.Transport), () => 0, between);
    }
}
