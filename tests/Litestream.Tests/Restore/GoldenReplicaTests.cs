using Litestream.Restore;
using Litestream.TestKit;
using Xunit;

namespace Litestream.Tests.Restore;

/// <summary>
/// Every restore request of the golden replicas, with plan, error and bytes as the released program gave them. Without it a replica
/// made by others may restore to other content.
/// </summary>
public sealed class GoldenReplicaTests
{
    // The merged file of TXID 3 is damaged there; the released program fails although the level below is intact.
    private const string DamagedCase = "two-writers";

    private static readonly Lazy<ILookup<string, IReadOnlyDictionary<string, string>>> Table =
        new(() => Fixtures.ReadTable("v0.5/expected.tsv").ToLookup(row => $"{row["case"]}/{row["replica"]}"));

    private static ILookup<string, IReadOnlyDictionary<string, string>> Rows => Table.Value;

    public static TheoryData<string> Replicas => Fixtures.Exist ? [.. Rows.Select(group => group.Key)] : ["all"];

    [Fact]
    public void All_requests_are_there() => Assert.Equal(1837, Rows.Sum(group => group.Count()));

    [Theory]
    [MemberData(nameof(Replicas))]
    public async Task Every_request_gives_the_stated_bytes_or_refusal(string replica)
    {
        using RestoreScene scene = RestoreScene.Of("v0.5", replica);
        List<string> wrong = [];
        foreach (IReadOnlyDictionary<string, string> row in Rows[replica])
        {
            scene.Files.Delete(scene.Output);
            string? defect = await RunAsync(scene, row);
            if (defect is not null)
            {
                wrong.Add($"{row["request"]}: {defect}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    private static async Task<string?> RunAsync(RestoreScene scene, IReadOnlyDictionary<string, string> row)
    {
        RestoreOptions options = scene.Options(row["request"]);
        string? error = await scene.TryRestoreAsync(options);
        if (scene.Leftovers.Length > 0)
        {
            return $"left {string.Join(", ", scene.Leftovers)}";
        }

        if (row["exit"] == "1")
        {
            return row["case"] == DamagedCase && row["error"].Contains("checksum", StringComparison.Ordinal)
                ? error is null ? null : $"an intact way exists, but: {error}"
                : row["error"] == $"Error: {error}" && !File.Exists(scene.Output) ? null : $"expected {row["error"]}, found {error ?? "success"}";
        }

        if (error is not null)
        {
            return error;
        }

        RestorePlan plan = await scene.Restorer.PlanAsync(options, CancellationToken.None);
        if (plan.Generation is null && row["plan"] != "-" && RestoreScene.PlanText(plan) != row["plan"])
        {
            return $"expected plan {row["plan"]}, found {RestoreScene.PlanText(plan)}";
        }

        string hash = scene.OutputHash();
        return hash == row["sha256_db"] ? null : $"expected bytes {row["sha256_db"]}, found {hash}";
    }
}
