using Litestream.Backends.Tests.Spool;
using Litestream.Storage.Gcs;
using Litestream.Storage.Transport;
using Xunit;

namespace Litestream.Backends.Tests.Gcs;

/// <summary>Chunks that wait in files. Of each only a part arrives before the connection breaks, so it goes on in the middle of its file.</summary>
public sealed class GcsSpooledPartTests(GcsServer server) : SpooledPartTests, IClassFixture<GcsServer>
{
    internal override Task<SpoolStore> OpenAsync(UploadSpool spool)
    {
        var between = new Interposer(server.Url, async exchange =>
        {
            string range = exchange.Headers.GetValueOrDefault("Content-Range", "");
            if (exchange.Body.Length < GcsOptions.ChunkUnit || !FailsNow(exchange.Target + range))
            {
                return false;
            }

            if (exchange.Body.Length == PartSize)
            {
                long from = long.Parse(range["bytes ".Length..range.IndexOf('-', StringComparison.Ordinal)], System.Globalization.CultureInfo.InvariantCulture);
                await exchange.LoseAnswerAsync(
                    exchange.Body[..GcsOptions.ChunkUnit], new Dictionary<string, string> { ["Content-Range"] = $"bytes {from}-{from + GcsOptions.ChunkUnit - 1}/*" });
            }
            else
            {
                await exchange.RespondAsync(500);
            }

            return true;
        });
        var options = new GcsOptions { Bucket = GcsServer.Bucket, Path = GcsServer.NewPath(), Endpoint = between.Url, ChunkSize = PartSize, Spool = spool };
        return Task.FromResult(new SpoolStore(new GcsReplicaClient(options, server.Transport), () => 0, between));
    }
}
