using System.Globalization;
using System.Security.Cryptography;
using Litestream.ContractHost;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.EndToEnd.Tests.Backends;

/// <summary>
/// Replicas that released programs wrote, put into every store under the keys of the specification, restore to the stated bytes
/// (decision D42). <c>GOLDEN=all</c> takes every replica and every request that restores.
/// </summary>
public sealed class BackendGoldenTests(BackendServers servers)
{
    /// <summary>Page sizes 512, 1024, 4096 and 65536, both forms of pages and both in one chain, merged levels, pruned ones, TXIDs up to 0x42.</summary>
    private static readonly string[] Chosen =
        ["page-size-512", "page-size-65536", "auto-vacuum-incremental", "upgrade-chain", "levels-pruned", "mixed-era"];

    private static readonly bool All = Environment.GetEnvironmentVariable("GOLDEN") == "all";

    public static TheoryData<string> Stores => BackendServers.All;

    [Theory]
    [MemberData(nameof(Stores))]
    public async Task Golden_replicas_restore_to_the_stated_bytes(string name)
    {
        TestStore store = await servers.GetAsync(name);
        ILookup<string, IReadOnlyDictionary<string, string>> table = Fixtures.ReadTable("v0.5/expected.tsv")
            .Where(row => row["replica"] == "replica" && row["exit"] == "0").ToLookup(row => row["case"]);
        int requests = 0;
        foreach (string golden in All ? [.. table.Select(rows => rows.Key).Where(rows => rows is not ("two-writers" or "v03-upgrade"))] : Chosen)
        {
            IReadOnlyDictionary<string, string> place = await store.CreatePlaceAsync();
            using var scene = new BackendScene(store, place);
            List<string> names = await UploadAsync(store, place, golden, scene["fixture"]);
            AssertPaths(store, place, names);
            foreach (IReadOnlyDictionary<string, string> row in Requests(table[golden]))
            {
                string restored = await scene.RestoreAsync(row["request"] == "-" ? [] : row["request"].Split(' '));
                Assert.True(HashOf(restored) == row["sha256_db"], $"{golden} {row["request"]}: other bytes than the released program gives");
                File.Delete(restored);
                requests++;
            }

            scene.Succeeded();
        }

        Assert.True(requests >= 3 * Chosen.Length, $"only {requests} requests");
    }

    /// <summary>Layout A byte for byte: what goes over the wire when a golden replica is written.</summary>
    [Fact]
    public async Task Keys_on_s3_are_those_of_layout_A()
    {
        TestStore store = await servers.GetAsync("s3");
        await using FaultProxy proxy = FaultProxy.Start(store.Server!.Port);
        var place = new Dictionary<string, string>(await store.CreatePlaceAsync()) { ["endpoint"] = $"http://127.0.0.1:{proxy.Port}" };
        using var scene = new BackendScene(store, place);
        List<string> names = await UploadAsync(store, place, "page-size-512", scene["fixture"]);
        IEnumerable<string> expected = names.Select(file => file.Split('/') is [string level, string leaf]
            ? $"/test/{place["path"]}/{int.Parse(level, CultureInfo.InvariantCulture):x4}/{leaf}"
            : file);
        Assert.Equal(
            expected.Order(StringComparer.Ordinal),
            proxy.Exchanges.Where(one => one.Method == "PUT").Select(one => one.Target.Split('?')[0]).Order(StringComparer.Ordinal));
        scene.Succeeded();
    }

    /// <summary>Layout B, seen on the disks of servers that keep files as files.</summary>
    private static void AssertPaths(TestStore store, IReadOnlyDictionary<string, string> place, List<string> names)
    {
        if (store.DataDirectory is not { } data)
        {
            return;
        }

        string root = Path.Combine(data, Path.GetFileName(place["path"]));
        IEnumerable<string> found = Directory.GetFiles(root, "*.ltx", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(root, file));
        Assert.Equal(names.Select(file => "ltx/" + file).Order(StringComparer.Ordinal), found.Order(StringComparer.Ordinal));
    }

    /// <summary>The latest state, one TXID and one time from the middle; or everything.</summary>
    private static IEnumerable<IReadOnlyDictionary<string, string>> Requests(IEnumerable<IReadOnlyDictionary<string, string>> rows)
    {
        if (All)
        {
            return rows;
        }

        IReadOnlyDictionary<string, string>[] txids = [.. rows.Where(row => row["request"].StartsWith("-txid", StringComparison.Ordinal))];
        IReadOnlyDictionary<string, string>[] times = [.. rows.Where(row => row["request"].StartsWith("-timestamp", StringComparison.Ordinal))];
        return [rows.Single(row => row["request"] == "-"), txids[txids.Length / 2], times[times.Length / 2]];
    }

    /// <summary>Writes all files of a golden replica and returns their names, <c>level/min-max.ltx</c>.</summary>
    private static async Task<List<string>> UploadAsync(TestStore store, IReadOnlyDictionary<string, string> place, string golden, string folder)
    {
        Fixtures.Copy("v0.5", golden + "/replica", folder);
        using var transport = new StorageTransport(new TransportOptions { GetVariable = variable => store.Environment.GetValueOrDefault(variable) });
        await using IReplicaClient client = BackendClients.Open(place, transport);
        List<string> names = [];
        string root = Path.Combine(folder, "ltx");
        foreach (string file in Directory.GetFiles(root, "*.ltx", SearchOption.AllDirectories))
        {
            string relative = Path.GetRelativePath(root, file);
            int level = int.Parse(Path.GetDirectoryName(relative)!, CultureInfo.InvariantCulture);
            Assert.True(LtxFileName.TryParse(Path.GetFileName(relative), out Txid min, out Txid max), relative);
            LtxFileInfo written = await client.WriteAsync(level, min, max, new MemoryStream(await File.ReadAllBytesAsync(file)), WriteMode.Overwrite, CancellationToken.None);
            Assert.Equal(File.GetLastWriteTimeUtc(file), written.CreatedAt.UtcDateTime);
            names.Add(relative);
        }

        return names;
    }

    private static string HashOf(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
