using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using Litestream.Backends.Tests.Gcs;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Transport;
using Litestream.Storage.WebDav;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.WebDav;

/// <summary>Traps of backends §5 on WebDAV.</summary>
public sealed class WebDavTrapTests(WebDavServer server) : IClassFixture<WebDavServer>
{
    // Upstream takes the time of the upload for the time of the data, so a copied replica cannot be restored by time.
    [Fact]
    public async Task Backend_T5_Accurate_times_are_those_of_the_headers()
    {
        await using Interposer between = await BetweenAsync();
        await using WebDavReplicaClient client = server.Client(between.Url, WebDavServer.NewPath());
        DateTimeOffset old = LtxSample.Time.AddYears(-1);
        for (ulong txid = 1; txid <= 20; txid++)
        {
            await GcsServer.Write(client, 0, txid, txid, LtxSample.Create(txid, txid, 500, old.AddMinutes(txid)));
        }

        Assert.Equal(
            old.AddMinutes(1).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture), between.Requests.First(one => one.Method == "PUT").Headers["X-OC-Mtime"]);
        int before = between.Requests.Count;
        IReadOnlyList<LtxFileInfo> plain = await GcsServer.List(client, 0);
        Assert.Equal(before + 1, between.Requests.Count);
        Assert.All(plain, file => Assert.True(file.CreatedAt > LtxSample.Time));
        List<LtxFileInfo> accurate = await AccurateAsync(client);
        Assert.Equal(plain.Select(file => file.Name), accurate.Select(file => file.Name));
        Assert.All(accurate, file => Assert.Equal(old.AddMinutes(file.MinTxid.Value), file.CreatedAt));
        Assert.Equal(20, between.Requests.Count(one => one.Method == "GET" && one.Headers.GetValueOrDefault("Range") == "bytes=0-99"));
    }

    [Fact]
    public async Task Backend_T5_A_header_that_cannot_be_read_fails_the_listing()
    {
        string path = WebDavServer.NewPath();
        bool fails = true;
        await using Interposer between = await BetweenAsync(async exchange =>
        {
            if (exchange.Method == "GET" && fails)
            {
                await exchange.RespondAsync(500);
                return true;
            }

            return false;
        });
        using StorageTransport transport = WebDavServer.CreateTransport(attempts: 2);
        await using WebDavReplicaClient client = server.Client(between.Url, path, transport);
        await GcsServer.Write(client, 0, 1, 1);
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(() => AccurateAsync(client));
        Assert.True(failure.IsTransient);

        fails = false;
        StorageServer apache = await server.GetAsync(WebDavAccess.Open);
        File.WriteAllBytes(Path.Combine(apache.Folder, "data", path, "ltx", "0", LtxSample.Name(2, 2)), new byte[200]);
        failure = await Assert.ThrowsAsync<ReplicaException>(() => AccurateAsync(client));
        Assert.False(failure.IsTransient);
        Assert.Contains("is damaged", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_T18_A_range_behind_the_end_is_empty_and_a_missing_file_does_not_exist()
    {
        await using WebDavReplicaClient client = await server.ClientAsync(WebDavAccess.Basic, WebDavServer.NewPath());
        await GcsServer.Write(client, 0, 1, 1, LtxSample.Create(1, 1, 500));
        Assert.Empty(await GcsServer.Read(client, 0, 1, 1, 500, 1));
        Assert.Empty(await GcsServer.Read(client, 0, 1, 1, 900));
        await Assert.ThrowsAsync<LtxFileNotFoundException>(() => GcsServer.Read(client, 0, 2, 2));
    }

    [Fact]
    public async Task Backend_T18_A_read_that_breaks_off_goes_on_where_it_stopped()
    {
        int cuts = 0;
        await using Interposer between = await BetweenAsync(async exchange =>
        {
            if (exchange.Method == "GET" && ++cuts <= 2)
            {
                await exchange.ForwardAsync(cut: 1000 * cuts);
                return true;
            }

            return false;
        });
        await using WebDavReplicaClient client = server.Client(between.Url, WebDavServer.NewPath());
        byte[] content = LtxSample.Create(1, 1, 50_000);
        LtxFileInfo file = await GcsServer.Write(client, 0, 1, 1, content);
        await using Stream stream = ResumableReader.ForReplica(client, file, new InstantTimeProvider()).AsStream();
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        Assert.Equal(content, copy.ToArray());
        Assert.Equal(
            ["bytes=0-49999", "bytes=1000-49999", "bytes=3000-49999"], between.Requests.Where(one => one.Method == "GET").Select(one => one.Headers["Range"]));
    }

    [Theory]
    [InlineData(true, 1, true)]
    [InlineData(true, 9, false)]
    [InlineData(false, 1, true)]
    [InlineData(false, 9, false)]
    public async Task Backend_T19_A_listing_that_breaks_off_is_not_its_end(bool connectionBreaks, int times, bool succeeds)
    {
        int broken = 0;
        await using Interposer between = await BetweenAsync(async exchange =>
        {
            if (exchange.Method == "PROPFIND" && exchange.Target.EndsWith("/ltx/0/", StringComparison.Ordinal) && broken++ < times)
            {
                // Either the connection ends in the middle, or the server ends its document there.
                await (connectionBreaks ? exchange.ForwardAsync(cut: 900) : exchange.ForwardAsync(edit: text => text[..900]));
                return true;
            }

            return false;
        });
        string path = WebDavServer.NewPath();
        await using (WebDavReplicaClient writer = await server.ClientAsync(WebDavAccess.Open, path))
        {
            await GcsServer.Write(writer, 0, 1, 1);
            await GcsServer.Write(writer, 0, 2, 2);
        }

        await using WebDavReplicaClient client = server.Client(between.Url, path);
        if (succeeds)
        {
            Assert.Equal(2, (await GcsServer.List(client, 0)).Count);
        }
        else
        {
            ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(() => GcsServer.List(client, 0));
            Assert.True(failure.IsTransient);
            Assert.Equal(4, broken);
        }

        Assert.Empty(between.Failures);
    }

    [Fact]
    public async Task Backend_T30_A_server_that_ignores_Range_gives_the_same_bytes()
    {
        await using Interposer between = await BetweenAsync(async exchange =>
        {
            if (exchange.Method == "GET")
            {
                await exchange.ForwardAsync(headers: new Dictionary<string, string> { ["Range"] = "" });
                Assert.Equal(200, exchange.Status);
                return true;
            }

            return false;
        });
        await using WebDavReplicaClient client = server.Client(between.Url, WebDavServer.NewPath());
        byte[] content = LtxSample.Create(1, 1, 300_000);
        await GcsServer.Write(client, 0, 1, 1, content);
        foreach ((int offset, int size) in new[] { (0, 0), (0, 100), (250_000, 0), (250_000, 1000), (299_999, 50) })
        {
            int length = Math.Min(size == 0 ? int.MaxValue : size, content.Length - offset);
            Assert.Equal(content[offset..(offset + length)], await GcsServer.Read(client, 0, 1, 1, offset, size));
        }

        Assert.Empty(await GcsServer.Read(client, 0, 1, 1, 300_000, 10));
        Assert.Equal(LtxSample.Time, Assert.Single(await AccurateAsync(client)).CreatedAt);
        Assert.Empty(between.Failures);
    }

    [Fact]
    public async Task Backend_T30_A_level_that_is_not_there_is_empty_and_collections_are_made_once()
    {
        await using Interposer between = await BetweenAsync();
        string path = "c" + Guid.NewGuid().ToString("N");
        await using WebDavReplicaClient client = server.Client(between.Url, path);
        Assert.Empty(await GcsServer.List(client, 3));
        await GcsServer.Write(client, 3, 1, 1);
        await GcsServer.Write(client, 3, 2, 2);
        string[] made = [.. between.Requests.Where(one => one.Method == "MKCOL").Select(one => $"{one.Target} {one.Status}")];
        Assert.Equal([$"/{path}/ltx/3/ 409", $"/{path}/ltx/ 409", $"/{path}/ 201", $"/{path}/ltx/ 201", $"/{path}/ltx/3/ 201"], made);

        // A second process finds it: 405 is no error.
        await using WebDavReplicaClient other = server.Client(between.Url, path);
        await GcsServer.Write(other, 3, 3, 3);
        Assert.Equal($"/{path}/ltx/3/ 405", between.Requests.Where(one => one.Method == "MKCOL").Select(one => $"{one.Target} {one.Status}").Last());
        Assert.Equal(3, (await GcsServer.List(other, 3)).Count);
    }

    // Two that create the same collection at once: one gets 403 from Apache.
    [Fact]
    public async Task Backend_T30_A_refused_MKCOL_is_a_reason_to_look()
    {
        await using Interposer between = await BetweenAsync(async exchange =>
        {
            if (exchange.Method == "MKCOL" && exchange.Target.EndsWith("/ltx/0/", StringComparison.Ordinal))
            {
                await exchange.ForwardAsync(edit: text => text);
                return true;
            }

            return false;
        });
        string path = WebDavServer.NewPath();
        WebDavReplicaClient[] clients = [.. Enumerable.Range(0, 6).Select(_ => server.Client(between.Url, path))];
        await Task.WhenAll(clients.Select((client, n) => GcsServer.Write(client, 0, (ulong)n + 1, (ulong)n + 1)));
        Assert.Equal(6, (await GcsServer.List(clients[0], 0)).Count);

        await using var refusing = new Interposer(between.Target, async exchange =>
        {
            if (exchange.Method == "MKCOL")
            {
                await exchange.RespondAsync(403);
                return true;
            }

            return false;
        });
        await using WebDavReplicaClient late = server.Client(refusing.Url, path);
        await GcsServer.Write(late, 0, 10, 10);
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(() => GcsServer.Write(late, 1, 10, 10));
        Assert.False(failure.IsTransient);
        Assert.Contains("right to create collections", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_T35_Requests_are_counted_under_the_names_of_upstream()
    {
        var seen = new ConcurrentBag<string>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == "Litestream")
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => seen.Add(
            string.Create(CultureInfo.InvariantCulture, $"{instrument.Name} {string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"))} {value}")));
        listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => seen.Add($"{instrument.Name} {string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"))}"));
        listener.Start();
        await using WebDavReplicaClient client = await server.ClientAsync(WebDavAccess.Open, WebDavServer.NewPath());
        LtxFileInfo file = await GcsServer.Write(client, 0, 1, 1, LtxSample.Create(1, 1, 4323));
        await GcsServer.Read(client, 0, 1, 1);
        await GcsServer.List(client, 0);
        await client.DeleteAsync([file], CancellationToken.None);
        Assert.Contains("litestream_replica_operation_total replica_type=webdav operation=PUT 1", seen);
        Assert.Contains("litestream_replica_operation_bytes replica_type=webdav operation=PUT 4323", seen);
        Assert.Contains("litestream_replica_operation_duration_seconds replica_type=webdav operation=PUT", seen);
        Assert.Contains("litestream_replica_operation_total replica_type=webdav operation=GET 1", seen);
        Assert.Contains("litestream_replica_operation_total replica_type=webdav operation=LIST 1", seen);
        Assert.Contains("litestream_replica_operation_total replica_type=webdav operation=DELETE 1", seen);
    }

    [Fact]
    public async Task Backend_T34_Delete_all_takes_this_replica_and_no_other()
    {
        await using WebDavReplicaClient first = await server.ClientAsync(WebDavAccess.Open, "one/db");
        await using WebDavReplicaClient second = await server.ClientAsync(WebDavAccess.Open, "one/db2");
        await using WebDavReplicaClient whole = await server.ClientAsync(WebDavAccess.Open, "");
        foreach (WebDavReplicaClient client in new[] { first, second, whole })
        {
            await GcsServer.Write(client, 0, 1, 1);
        }

        await first.DeleteAllAsync(CancellationToken.None);
        Assert.Empty(await GcsServer.List(first, 0));
        Assert.Single(await GcsServer.List(second, 0));
        await whole.DeleteAllAsync(CancellationToken.None);
        Assert.Empty(await GcsServer.List(whole, 0));
        Assert.Single(await GcsServer.List(second, 0));
    }

    private static async Task<List<LtxFileInfo>> AccurateAsync(WebDavReplicaClient client)
    {
        List<LtxFileInfo> files = [];
        await foreach (LtxFileInfo file in client.ListAsync(0, new Txid(0), true, CancellationToken.None))
        {
            files.Add(file);
        }

        return files;
    }

    private async Task<Interposer> BetweenAsync(Func<Exchange, Task<bool>>? handle = null) =>
        new($"http://127.0.0.1:{(await server.GetAsync(WebDavAccess.Open)).Port}", handle);
}
