using System.Globalization;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.Verify;

namespace Litestream.Tests.Verify;

/// <summary>
/// Damage of every file of several golden replicas (decisions D7, D8): verification finds all of it, names the points it costs, and
/// restore never gives other content. A sample by seed; LITESTREAM_DAMAGE=all takes every file and every kind.
/// </summary>
public sealed class SeededDamageTests
{
    private const int SampleSize = 30;

    private static readonly string[] Kinds = ["flip", "truncate", "remove", "swap"];

    private static readonly Lazy<ILookup<string, (Txid Txid, string Hash)>> Hashes = new(() => Fixtures.ReadTable("v0.5/expected.tsv")
        .Where(row => row["exit"] == "0" && row["replica"] == "replica" && row["request"].StartsWith("-txid ", StringComparison.Ordinal))
        .ToLookup(row => row["case"], row => (new Txid(ulong.Parse(row["request"][6..], NumberStyles.HexNumber, CultureInfo.InvariantCulture)), row["sha256_db"])));

    private static bool TakeAll => Environment.GetEnvironmentVariable("LITESTREAM_DAMAGE") == "all";

    private static int Seed => int.Parse(Environment.GetEnvironmentVariable("LITESTREAM_SEED") ?? "20261", CultureInfo.InvariantCulture);

    public static TheoryData<string> Cases => ["levels", "levels-pruned", "checkpoints", "frame-era", "page-size-512", "upgrade-chain"];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Damage_of_any_file_is_found_and_never_restored(string name)
    {
        using VerifyScene scene = VerifyScene.Of(name + "/replica");
        VerifyReport healthy = await scene.VerifyWithStateAsync();
        Assert.False(scene.AllFiles.Length < 10, "the fixture is too small to say anything");
        var random = new Random(Seed);
        string[] files = scene.AllFiles;
        IEnumerable<(string File, string Kind)> damages = files.SelectMany(file => Kinds.Select(kind => (file, kind)));
        foreach ((string file, string kind) in TakeAll ? damages : damages.OrderBy(_ => random.Next()).Take(SampleSize))
        {
            await CheckAsync(scene, healthy, file, kind, random, Hashes.Value[name].ToDictionary(row => row.Txid, row => row.Hash));
        }
    }

    private static async Task CheckAsync(
        VerifyScene scene, VerifyReport healthy, string file, string kind, Random random, Dictionary<Txid, string> hashes)
    {
        string memory = Path.Combine(scene.Options.StateDirectory, "verify.json");
        byte[] remembered = File.ReadAllBytes(memory);
        HashSet<Txid> before = Points(scene);
        using var damage = new FileDamage(scene, file, kind, random);
        string what = $"seed {Seed}: {damage}";

        VerifyReport alone = await scene.VerifyAsync();
        VerifyReport withState = await scene.VerifyWithStateAsync();
        HashSet<Txid> usable = Points(scene, [.. withState.Damaged.Select(finding => (finding.Level, finding.MinTxid, finding.MaxTxid))]);
        HashSet<Txid> cost = [.. before.Where(point => !usable.Contains(point))];
        if (kind != "remove")
        {
            foreach ((int level, string fileName) in damage.Files)
            {
                Assert.True(
                    alone.Damaged.Any(finding => finding.Level == level && finding.Name == fileName) || damage.DecodesAsBefore,
                    $"{what}: not found: {level}/{fileName}");
            }
        }
        else
        {
            bool found = withState.Damaged.Count > 0 || !withState.Lost.SequenceEqual(healthy.Lost);
            Assert.True(
                found == (cost.Count > 0 || damage.BreaksLevel),
                $"{what}: found {found}, costs {cost.Count} points, breaks its level: {damage.BreaksLevel}");
            Assert.True(!damage.BreaksLevel || alone.IsDamaged, $"{what}: the broken level was not found without a state directory");
        }

        Assert.True(withState.Proven == usable.DefaultIfEmpty().Max(), $"{what}: proven to {withState.Proven}");
        foreach (Txid point in cost)
        {
            Assert.True(withState.Lost.Any(range => range.First <= point && point <= range.Last), $"{what}: {point} is lost, but it was not said");
        }

        Assert.DoesNotContain(usable, point => withState.Lost.Any(range => range.First <= point && point <= range.Last));
        await CheckRestoresAsync(scene, hashes, usable, random, what);
        File.WriteAllBytes(memory, remembered);
    }

    /// <summary>Restores some points: right content where the files hold exactly this point (D8), an error where they do not.</summary>
    private static async Task CheckRestoresAsync(VerifyScene scene, Dictionary<Txid, string> hashes, HashSet<Txid> usable, Random random, string what)
    {
        Txid[] points = [.. hashes.Keys.Order()];
        foreach (Txid point in (IEnumerable<Txid>)[points[^1], points[random.Next(points.Length)], points[random.Next(points.Length)]])
        {
            string? restored = await scene.RestoreAsync(point);
            Assert.True(restored == (usable.Contains(point) ? hashes[point] : null), $"{what}: restore of {point} gave {restored ?? "an error"}");
        }
    }

    private static HashSet<Txid> Points(VerifyScene scene, HashSet<(int, Txid, Txid)>? without = null) =>
        [.. RestorePoints.Of(FileDamage.List(scene).Where(file => without?.Contains((file.Level, file.MinTxid, file.MaxTxid)) != true)).Points.Select(point => point.Txid)];
}
