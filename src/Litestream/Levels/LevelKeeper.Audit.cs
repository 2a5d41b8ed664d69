using Litestream.Diagnostics;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Levels;

/// <summary>Comparing the replica with what is known of it (decision D5): the only requests that nothing else asked for.</summary>
internal sealed partial class LevelKeeper
{
    private async Task AuditIfDueAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (auditDue is not { } due || due > Now)
            {
                return;
            }

            auditDue = null;
        }

        try
        {
            for (int level = 0; level <= options.Levels.Count; level++)
            {
                await AuditAsync(level, cancellationToken).ConfigureAwait(false);
            }

            await AuditAsync(LtxFileInfo.SnapshotLevel, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            lock (gate)
            {
                auditDue = Now + (options.AuditInterval * auditSpread);
            }

            Fail(LogLevel.Warning, "audit of the replica failed, it is tried again", 0, e);
        }
    }

    private async Task AuditAsync(int level, CancellationToken cancellationToken)
    {
        // What is uploaded during the listing may be in it or not; merges and deletions do not run meanwhile.
        await RefreshAsync(level, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<LtxFileInfo> before = Catalog[level];
        Dictionary<TxidRange, LtxFileInfo> listed = [];
        foreach (LtxFileInfo file in await ListAsync(level, cancellationToken).ConfigureAwait(false))
        {
            listed[RangeOf(file)] = file;
        }

        HashSet<TxidRange> known = [.. Catalog[level].Select(RangeOf)];
        foreach (LtxFileInfo file in before)
        {
            if (!listed.TryGetValue(RangeOf(file), out LtxFileInfo found))
            {
                await RestoreMissingAsync(file, cancellationToken).ConfigureAwait(false);
            }
            else if (found.Size != file.Size)
            {
                Report("file on the replica has changed", file);
            }
        }

        foreach ((TxidRange range, LtxFileInfo file) in listed)
        {
            if (!known.Contains(range) && file.MaxTxid > released[level])
            {
                Report("file on the replica is not ours", file);
            }
        }
    }

    private async Task RestoreMissingAsync(LtxFileInfo file, CancellationToken cancellationToken)
    {
        Report("file is missing on the replica", file);
        Catalog.Remove([file]);
        if (directory.SizeOf(file) is not null)
        {
            await UploadAgainAsync(file, cancellationToken).ConfigureAwait(false);
        }
    }

    private void Report(string problem, in LtxFileInfo file)
    {
        Statistics.AuditFindings++;
        logger.Write(
            LogLevel.Warning, problem, ("level", file.Level), ("minTXID", file.MinTxid.ToString()), ("maxTXID", file.MaxTxid.ToString()), ("size", file.Size));
    }

    private static TxidRange RangeOf(LtxFileInfo file) => new(file.MinTxid, file.MaxTxid);
}
