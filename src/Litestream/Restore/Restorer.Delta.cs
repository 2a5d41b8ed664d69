using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Restore.Delta;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Restore;

public sealed partial class Restorer
{
    /// <summary>Builds from a plan: with a local copy only what it lacks is fetched, else, or if that fails, everything.</summary>
    private async Task<long> BuildLtxAsync(
        RestoreOptions options, RestorePlan plan, IFile file, RestoreOrigin origin, IProgress<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        origin.Clear();
        if (options.BasePath is not null && !origin.FetchesAll)
        {
            try
            {
                var delta = new DeltaRestore(client, files, time, logger);
                if (await delta.BuildAsync(options, plan, file, origin, progress, cancellationToken) is { } built)
                {
                    origin.Report = built.Report;
                    return built.Size;
                }
            }
            catch (LtxFileException damage)
            {
                // The way of a full restore finds out whether there is another one, and is the one to report it (decision D8).
                logger.Write(LogLevel.Warning, "everything is fetched", ("reason", damage.Message));
                file.SetLength(0);
            }

            origin.FetchesAll = true;
            origin.Clear();
        }

        using var builder = new LtxDatabaseBuilder(client, time, plan.Files, file, options.Parallelism, progress, origin);
        return await builder.BuildAsync(cancellationToken);
    }

    /// <summary>Writes what the next delta restore needs; without it that one fetches everything, so a failure here is none of this one.</summary>
    private void WriteSideFiles(RestoreOptions options, Txid txid, RestoreOrigin origin)
    {
        try
        {
            PageDigestFile.Write(files, options.OutputPath, origin.PageSize, txid, origin.Anchors);
            TxidFile.Write(files, options.OutputPath, txid);
        }
        catch (IOException failure)
        {
            logger.Write(LogLevel.Warning, "cannot write side files of the restored database", ("path", options.OutputPath), ("error", failure.Message));
        }
    }
}
