using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.TestKit.Replicas;

/// <summary>One case of the contract suite.</summary>
/// <param name="Name">Unique name.</param>
/// <param name="Run">Runs the case on a fresh, empty client; throws <see cref="ContractException"/> when the client breaks the contract.</param>
public sealed record ReplicaContractCase(string Name, Func<IReplicaClient, Task> Run)
{
    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>A client broke its contract.</summary>
public sealed class ContractException(string message) : Exception(message);

/// <summary>
/// What every replica client must do (backends §1.10). A plain library of cases, so that a test runner and a natively compiled
/// host can run the same ones (decision D41).
/// </summary>
public static partial class ReplicaClientContract
{
    /// <summary>All cases.</summary>
    public static IReadOnlyList<ReplicaContractCase> Cases { get; } =
    [
        new("EmptyLevelListsNothing", EmptyLevelListsNothing),
        new("ListIsSortedByMinThenMax", ListIsSortedByMinThenMax),
        new("C15_SeekReturnsEveryLaterFile", SeekReturnsEveryLaterFile),
        new("C16_SnapshotsSortByMax", SnapshotsSortByMax),
        new("T19_ManyFilesListCompletely", ManyFilesListCompletely),
        new("LevelsAreSeparate", LevelsAreSeparate),
        new("WholeFileRoundTrip", WholeFileRoundTrip),
        new("TenMebibytesRoundTrip", TenMebibytesRoundTrip),
        new("RangesAreExact", RangesAreExact),
        new("T18_RangePastTheEndIsShort", RangePastTheEndIsShort),
        new("MissingFileIsNotFound", MissingFileIsNotFound),
        new("C8_HeaderTimeSurvives", HeaderTimeSurvives),
        new("WriteReportsSizeAndHeaderTime", WriteReportsSizeAndHeaderTime),
        new("T7_OverwriteReplaces", OverwriteReplaces),
        new("CreateOnlyAcceptsItsOwnLostAnswer", CreateOnlyAcceptsItsOwnLostAnswer),
        new("CreateOnlyRefusesOtherContent", CreateOnlyRefusesOtherContent),
        new("CreateOnlyHasOneWinner", CreateOnlyHasOneWinner),
        new("LtxTrap17_ShortSourceIsRefused", ShortSourceIsRefused),
        new("LtxTrap17_SourceWithoutMagicIsRefused", SourceWithoutMagicIsRefused),
        new("FailingSourceLeavesNothing", FailingSourceLeavesNothing),
        new("CancelledWriteLeavesNothing", CancelledWriteLeavesNothing),
        new("FailedOverwriteKeepsTheOldFile", FailedOverwriteKeepsTheOldFile),
        new("ConcurrentWritesAllArrive", ConcurrentWritesAllArrive),
        new("SmallReadsOfTheSourceArriveWhole", SmallReadsOfTheSourceArriveWhole),
        new("DeleteRemovesExactlyItsFiles", DeleteRemovesExactlyItsFiles),
        new("DeletingMissingFilesSucceeds", DeletingMissingFilesSucceeds),
        new("DeleteAllRemovesEverything", DeleteAllRemovesEverything),
        new("GreatestTxidsSurvive", GreatestTxidsSurvive),
        new("InitializeIsIdempotent", InitializeIsIdempotent),
    ];

    private static async Task EmptyLevelListsNothing(IReplicaClient client)
    {
        for (int level = 0; level < LtxFileInfo.LevelCount; level++)
        {
            Equal(0, (await List(client, level)).Count, $"files in level {level} of an empty replica");
        }
    }

    private static async Task ListIsSortedByMinThenMax(IReplicaClient client)
    {
        (ulong Min, ulong Max)[] ranges = [(16, 17), (2, 9), (10, 12), (2, 3), (1, 1), (0x100, 0x100)];
        foreach ((ulong min, ulong max) in ranges)
        {
            await Write(client, 1, min, max);
        }

        Equal("1-1 2-3 2-9 10-12 16-17 256-256", Ranges(await List(client, 1)), "order of a listing");
    }

    private static async Task SeekReturnsEveryLaterFile(IReplicaClient client)
    {
        for (ulong txid = 3; txid <= 9; txid++)
        {
            await Write(client, 0, txid, txid);
        }

        Equal("5-5 6-6 7-7 8-8 9-9", Ranges(await List(client, 0, seek: 5)), "files from TXID 5 on");
        Equal("", Ranges(await List(client, 0, seek: 10)), "files from TXID 10 on");
        Equal("3-3", Ranges(await List(client, 0))[..3], "first file with seek 0");
    }

    private static async Task SnapshotsSortByMax(IReplicaClient client)
    {
        ulong[] order = [.. Enumerable.Range(1, 200).Select(n => (ulong)((n * 77) % 201))];
        foreach (ulong max in order)
        {
            await Write(client, LtxFileInfo.SnapshotLevel, 1, max, size: 130);
        }

        IReadOnlyList<LtxFileInfo> files = await List(client, LtxFileInfo.SnapshotLevel);
        Equal(string.Join(' ', Enumerable.Range(1, 200).Select(n => $"1-{n}")), Ranges(files), "order of snapshots");
    }

    private static async Task ManyFilesListCompletely(IReplicaClient client)
    {
        const int count = 1100; // More than one page of 1000 keys.
        for (ulong txid = 1; txid <= count; txid++)
        {
            await Write(client, 0, txid, txid, size: 130);
        }

        Equal(count, (await List(client, 0)).Count, "files listed");
        Equal(count, (await List(client, 0, accurate: true)).Count, "files listed with accurate times");
    }

    private static async Task LevelsAreSeparate(IReplicaClient client)
    {
        for (int level = 0; level < LtxFileInfo.LevelCount; level++)
        {
            await Write(client, level, 1, (ulong)level + 1, size: 200 + level);
        }

        for (int level = 0; level < LtxFileInfo.LevelCount; level++)
        {
            LtxFileInfo only = (await List(client, level)).Single();
            Equal((level, 1ul, (ulong)level + 1, 200L + level), (only.Level, only.MinTxid.Value, only.MaxTxid.Value, only.Size), "listed file");
        }
    }

    private static async Task GreatestTxidsSurvive(IReplicaClient client)
    {
        await Write(client, 0, ulong.MaxValue, ulong.MaxValue);
        LtxFileInfo only = (await List(client, 0)).Single();
        Equal(ulong.MaxValue, only.MaxTxid.Value, "greatest TXID");
    }

    private static async Task InitializeIsIdempotent(IReplicaClient client)
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => client.InitializeAsync(CancellationToken.None).AsTask()));
        await Write(client, 0, 1, 1);
        await client.InitializeAsync(CancellationToken.None);
        Equal(1, (await List(client, 0)).Count, "files after a second initialisation");
    }
}
