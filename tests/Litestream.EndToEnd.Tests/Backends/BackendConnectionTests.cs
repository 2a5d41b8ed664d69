using System.Globalization;
using Litestream.ContractHost;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Transport;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.EndToEnd.Tests.Backends;

/// <summary>
/// A restore from many small files keeps to a bound of connections on every store, and gives the right bytes. <c>CONNECTION_FILES=5000</c> for
/// a long run.
/// </summary>
public sealed class BackendConnectionTests(BackendServers servers)
{
    private const int PageSize = 4096;
    private const int Pages = 64;
    private const int MostConnections = 32;
    private const int UploadsAtOnce = 16;

    private static readonly int Files = Environment.GetEnvironmentVariable("CONNECTION_FILES") is { Length: > 0 } text
        ? int.Parse(text, CultureInfo.InvariantCulture)
        : 400;

    /// <summary>Half of a round trip: enough for requests to lie on top of each other.</summary>
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(5);

    public static TheoryData<string> Networked => [.. TestStore.Names.Where(name => name != "file")];

    [Theory]
    [MemberData(nameof(Networked))]
    public async Task A_restore_from_many_files_opens_at_most_32_connections_at_a_time(string name)
    {
        TestStore store = await servers.GetAsync(name);
        IReadOnlyDictionary<string, string> place = await store.CreatePlaceAsync();
        byte[] expected = await UploadAsync(store, place);
        await using var proxy = new DelayProxy(store.Server!.Port, Delay);
        using var scene = new BackendScene(store, Through(place));
        scene.Environment = Through(scene.Environment);
        byte[] restored = await File.ReadAllBytesAsync(await scene.RestoreAsync());
        Assert.True(expected.AsSpan().SequenceEqual(restored), "the restored database has other bytes");
        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: {Files} files, at most {proxy.PeakConnections} of {proxy.Connections} connections at a time");
        Assert.InRange(proxy.PeakConnections, 1, MostConnections);
        scene.Succeeded();

        Dictionary<string, string> Through(IReadOnlyDictionary<string, string> values) => values.ToDictionary(
            pair => pair.Key, pair => pair.Value.Replace($"127.0.0.1:{store.Server.Port}", $"127.0.0.1:{proxy.Port}", StringComparison.Ordinal));
    }

    /// <summary>Writes a snapshot and as many files that each change one page, and returns the database that they make.</summary>
    private static async Task<byte[]> UploadAsync(TestStore store, IReadOnlyDictionary<string, string> place)
    {
        byte[] database = new byte[Pages * PageSize];
        new Random(Files).NextBytes(database);
        WriteDatabaseHeader(database);
        var files = new List<(int Level, Txid Min, Txid Max, byte[] Content)> { (9, new Txid(1), new Txid(1), Encode(new Txid(1), database, 1, Pages)) };
        for (int file = 0; file < Files; file++)
        {
            var txid = new Txid((ulong)file + 2);
            uint page = 2 + ((uint)file % (Pages - 1));
            new Random(file).NextBytes(database.AsSpan((int)(page - 1) * PageSize, PageSize));
            files.Add((0, txid, txid, Encode(txid, database, page, page)));
        }

        using var transport = new StorageTransport(new TransportOptions { GetVariable = variable => store.Environment.GetValueOrDefault(variable) });
        await using IReplicaClient client = BackendClients.Open(place, transport);
        await Parallel.ForEachAsync(files, new ParallelOptions { MaxDegreeOfParallelism = UploadsAtOnce }, async (file, token) =>
            await client.WriteAsync(file.Level, file.Min, file.Max, new MemoryStream(file.Content), WriteMode.Overwrite, token));
        return database;
    }

    private static byte[] Encode(Txid txid, byte[] database, uint first, uint last)
    {
        using var output = new MemoryStream();
        var header = new LtxHeader
        {
            Flags = LtxFormat.NoChecksum,
            PageSize = PageSize,
            Commit = Pages,
            MinTxid = txid,
            MaxTxid = txid,
            Timestamp = 1_700_000_000_000 + ((long)txid.Value * 1000),
        };
        using var writer = new LtxWriter(output, header, leaveOpen: true);
        for (uint page = first; page <= last; page++)
        {
            writer.WritePage(page, database.AsSpan((int)(page - 1) * PageSize, PageSize));
        }

        writer.Finish();
        return output.ToArray();
    }

    private static void WriteDatabaseHeader(Span<byte> database)
    {
        "SQLite format 3\0"u8.CopyTo(database);
        database[16] = PageSize >> 8;
        database[17] = 0;
    }
}
