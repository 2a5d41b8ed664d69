using Litestream.Diagnostics;
using Litestream.Levels;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Upload;

/// <summary>What the start found.</summary>
/// <param name="Position">Newest transaction, local or remote; the next one is this + 1.</param>
/// <param name="Local">Header of the local file of that transaction; null if capture has to begin with a full copy.</param>
/// <param name="Remote">Newest transaction on the replica.</param>
/// <param name="NeedsBase">True if the replica cannot be continued from the local files, so that the full copy must also become a snapshot.</param>
internal readonly record struct Baseline(Txid Position, LtxHeader? Local, Txid Remote, bool NeedsBase);

/// <summary>
/// Compares the local state with the replica once per opening (replication §4). TXIDs never go back: starting again at 1 would make
/// every upload look as if it were done already, until the old maximum is passed (trap A1).
/// </summary>
/// <param name="client">The replica.</param>
/// <param name="directory">Local files.</param>
/// <param name="logger">Log of the database.</param>
/// <param name="catalog">Gets what the listing finds; null if it is known already.</param>
internal sealed class ReplicaBaseline(IReplicaClient client, LocalLtxDirectory directory, ILogger logger, ReplicaCatalog? catalog = null)
{
    /// <summary>Finds the position, and fetches the newest remote file if the local state is behind.</summary>
    /// <exception cref="LocalLtxException">The newest local file is missing, damaged or unreadable.</exception>
    public async Task<Baseline> EstablishAsync(CancellationToken cancellationToken)
    {
        Txid local = directory.NewestTxid();
        LtxHeader? header = local.IsNone ? null : directory.Verify(local);
        (Txid remote, LtxFileInfo? newestLevelZero) = await FindRemoteAsync(cancellationToken).ConfigureAwait(false);
        if (local >= remote)
        {
            bool continues = local == remote || directory.SizeOf(remote.Next) is not null;
            return new Baseline(local, continues ? header : null, continues ? remote : local, NeedsBase: !continues);
        }

        logger.Write(
            LogLevel.Information, "detected database behind replica", ("txid.local", local.ToString()), ("txid.replica", remote.ToString()));
        directory.Reset();
        directory.Create();
        if (newestLevelZero is not { } file || file.MaxTxid != remote || file.MinTxid != remote)
        {
            return new Baseline(remote, null, remote, NeedsBase: newestLevelZero is null);
        }

        await FetchAsync(file, cancellationToken).ConfigureAwait(false);
        return new Baseline(remote, directory.Verify(remote), remote, NeedsBase: false);
    }

    private async Task<(Txid Newest, LtxFileInfo? LevelZero)> FindRemoteAsync(CancellationToken cancellationToken)
    {
        Txid newest = Txid.None;
        LtxFileInfo? levelZero = null;
        for (int level = 0; level < LtxFileInfo.LevelCount; level++)
        {
            List<LtxFileInfo> files = [];
            await foreach (LtxFileInfo file in client.ListAsync(level, Txid.None, accurateTimes: false, cancellationToken).ConfigureAwait(false))
            {
                files.Add(file);
                newest = file.MaxTxid > newest ? file.MaxTxid : newest;
                if (level == 0 && (levelZero is not { } best || file.MaxTxid >= best.MaxTxid))
                {
                    levelZero = file;
                }
            }

            catalog?.Replace(level, files);
        }

        return (newest, levelZero);
    }

    private async Task FetchAsync(LtxFileInfo file, CancellationToken cancellationToken)
    {
        Stream source = await client.OpenAsync(0, file.MinTxid, file.MaxTxid, 0, 0, cancellationToken).ConfigureAwait(false);
        await using (source.ConfigureAwait(false))
        {
            await directory.WriteAsync(file.MaxTxid, destination => source.CopyToAsync(destination, cancellationToken)).ConfigureAwait(false);
        }

        logger.Write(LogLevel.Information, "fetched latest L0 file from replica", ("txid", file.MaxTxid.ToString()), ("size", file.Size));
    }
}
