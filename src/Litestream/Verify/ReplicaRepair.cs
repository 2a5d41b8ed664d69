using Litestream.Diagnostics;
using Litestream.Levels;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Verify;

/// <summary>
/// Puts damaged and missing files back: the file of the same name in the state directory, or, for a merged file or a snapshot, the merge
/// of intact files that hold exactly its transactions. Only verified content is uploaded, and it replaces the damaged object in one step
/// when it is complete.
/// </summary>
internal sealed class ReplicaRepair(
    IReplicaClient client, LocalLtxDirectory? local, EngineServices services, ILogger logger, ReplicaFiles state, long run)
{
    /// <summary>Repairs what can be repaired, lower levels first: merged files are rebuilt from them.</summary>
    /// <returns>The repaired files, read back from the replica and found intact.</returns>
    public async Task<IReadOnlyList<VerifyFinding>> RunAsync(IReadOnlyList<VerifyFinding> damaged, CancellationToken cancellationToken)
    {
        var repaired = new List<VerifyFinding>();
        foreach (VerifyFinding finding in damaged.OrderBy(finding => finding.Level).SelectMany(SplitLevelZero))
        {
            try
            {
                if (await TryRepairAsync(finding, cancellationToken))
                {
                    repaired.Add(finding);
                    logger.Write(
                        LogLevel.Information, "replica file repaired",
                        ("level", finding.Level), ("min_txid", finding.MinTxid.ToString()), ("max_txid", finding.MaxTxid.ToString()));
                }
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidOperationException)
            {
                // The damage stays in the report; the other files may still be repaired.
                logger.Write(
                    LogLevel.Warning, "cannot repair replica file",
                    ("level", finding.Level), ("min_txid", finding.MinTxid.ToString()), ("max_txid", finding.MaxTxid.ToString()), ("error", failure.Message));
            }
        }

        return repaired;
    }

    /// <summary>Missing files of level 0 are one per transaction.</summary>
    private IEnumerable<VerifyFinding> SplitLevelZero(VerifyFinding finding)
    {
        if (finding.Level != 0 || finding.Problem != VerifyProblem.Missing || local is null)
        {
            return [finding];
        }

        return local.List()
            .Where(file => file.MinTxid >= finding.MinTxid && file.MaxTxid <= finding.MaxTxid)
            .Select(file => finding with { MinTxid = file.MinTxid, MaxTxid = file.MaxTxid });
    }

    private async Task<bool> TryRepairAsync(VerifyFinding finding, CancellationToken cancellationToken)
    {
        LtxFileInfo? written = await FromLocalCopyAsync(finding, cancellationToken) ?? await FromOtherFilesAsync(finding, cancellationToken);
        if (written is not { } file)
        {
            return false;
        }

        // Read back: what counts is what the store gives. A store may list another time or size than the upload reported.
        await foreach (LtxFileInfo listed in client.ListAsync(file.Level, file.MinTxid, accurateTimes: false, cancellationToken))
        {
            if ((listed.MinTxid, listed.MaxTxid) == (file.MinTxid, file.MaxTxid)
                && await new FileChecker(client, services.Time).CheckAsync(listed, run, cancellationToken) is { } check)
            {
                state.Add(check);
                return check.Finding is null;
            }
        }

        return false;
    }

    private async Task<LtxFileInfo?> FromLocalCopyAsync(VerifyFinding finding, CancellationToken cancellationToken)
    {
        var file = new LtxFileInfo(finding.Level, finding.MinTxid, finding.MaxTxid, 0, default);
        if (local?.SizeOf(file) is not { } size)
        {
            return null;
        }

        using (Stream check = local.Open(file))
        {
            LtxVerifyResult result = await LtxReader.VerifyAsync(check, local.PathOf(file), cancellationToken);
            if ((result.Header.MinTxid, result.Header.MaxTxid, result.Size) != (file.MinTxid, file.MaxTxid, size))
            {
                return null;
            }
        }

        using Stream source = local.Open(file);
        return await client.WriteAsync(file.Level, file.MinTxid, file.MaxTxid, source, WriteMode.Overwrite, cancellationToken);
    }

    /// <summary>
    /// Merges intact files that hold exactly the transactions of a merged file or snapshot. Level 0 cannot be made so: its files carry
    /// the position in the write-ahead log.
    /// </summary>
    private async Task<LtxFileInfo?> FromOtherFilesAsync(VerifyFinding finding, CancellationToken cancellationToken)
    {
        if (finding.Level == 0 || Cover(finding) is not { Count: > 0 } sources)
        {
            return null;
        }

        string? scratch = local is null ? Path.Combine(Path.GetTempPath(), $"litestream-repair-{Environment.ProcessId}") : null;
        try
        {
            LocalLtxDirectory directory = local ?? new LocalLtxDirectory(services.FileSystem, scratch!);
            return await new LevelMerger(client, directory, keepLocal: false, services, logger).MergeAsync(sources, finding.Level, cancellationToken);
        }
        finally
        {
            if (scratch is not null)
            {
                services.FileSystem.DeleteTree(scratch);
            }
        }
    }

    /// <summary>Verified files that follow each other from the first to the last transaction of the finding, the furthest reaching ones.</summary>
    private List<LtxFileInfo>? Cover(VerifyFinding finding)
    {
        LtxFileInfo[] intact =
        [
            .. state.Listing.All.Where(file => file.MinTxid >= finding.MinTxid && file.MaxTxid <= finding.MaxTxid
                && RestorePlanner.IsUsable(file)
                && (file.Level, file.MinTxid, file.MaxTxid) != (finding.Level, finding.MinTxid, finding.MaxTxid)
                && state.Known(file)?.Content is not null),
        ];
        var sources = new List<LtxFileInfo>();
        for (Txid next = finding.MinTxid; next <= finding.MaxTxid; next = sources[^1].MaxTxid.Next)
        {
            LtxFileInfo[] candidates = [.. intact.Where(file => file.MinTxid <= next && file.MaxTxid >= next && (sources.Count > 0 || file.MinTxid == next))];
            if (candidates.Length == 0)
            {
                return null;
            }

            sources.Add(candidates.MaxBy(file => file.MaxTxid));
        }

        return sources;
    }
}
