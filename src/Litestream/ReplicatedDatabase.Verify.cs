using Litestream.Capture;
using Litestream.Diagnostics;
using Litestream.Storage;
using Litestream.Verify;
using Microsoft.Extensions.Logging;

namespace Litestream;

/// <summary>Verification of the replica by the process that writes it.</summary>
public sealed partial class ReplicatedDatabase
{
    /// <summary>It takes bandwidth from uploads, so it takes little.</summary>
    private const int VerifyParallelism = 2;

    private volatile VerificationStatus? verification;
    private volatile bool verificationRead;

    /// <summary>Result of the last verification, also of one by an earlier process; null before the first.</summary>
    public VerificationStatus? Verification
    {
        get
        {
            if (!verificationRead)
            {
                verification ??= VerificationStatus.Read(services.FileSystem, Options);
                verificationRead = true;
            }

            return verification;
        }
    }

    /// <summary>
    /// Verifies the replica. Only this process can compare with the database: the comparison needs a
    /// level-0 file that ends exactly where its read transaction stands (replication §8.7).
    /// </summary>
    /// <param name="share">Read one n-th of the replica, at least 1; 1 = all.</param>
    /// <param name="deep">Also restore into a scratch file in the state directory, check it by SQLite and compare it with the database.</param>
    /// <param name="repair">Put back what verified local files or other levels hold; where that is not enough, take a new snapshot.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="Restore.RestoreUnavailableException">The replica is empty.</exception>
    /// <exception cref="IOException">The replica cannot be listed, or the scratch file cannot be written.</exception>
    public async Task<VerifyReport> VerifyAsync(int share, bool deep, bool repair, CancellationToken cancellationToken)
    {
        using Operation operation = operations.Begin(cancellationToken);
        cancellationToken = operation.Token;
        LiveDatabase? live = deep ? await DigestAsync(cancellationToken).ConfigureAwait(false) : null;
        VerifyReport report = await new ReplicaVerifier(client, services, logger).VerifyAsync(
            new VerifyOptions
            {
                Database = Options,
                Share = share,
                Repair = repair,
                ScratchDirectory = deep ? Options.StateDirectory : null,
                UploadsRun = captureLoop is not null,
                Parallelism = VerifyParallelism,
            },
            live,
            null,
            cancellationToken).ConfigureAwait(false);
        verification = VerificationStatus.Of(report);
        verificationRead = true;
        if (repair && report.NeedsSnapshot)
        {
            // What follows the damage becomes restorable again, and has a base that is intact.
            logger.Write(LogLevel.Warning, "taking a new snapshot because of damage on the replica", ("damaged", report.Damaged.Count));
            await SnapshotAsync(cancellationToken).ConfigureAwait(false);
        }

        return report;
    }

    /// <summary>The pages of the database at the end of a transaction that the replica holds then.</summary>
    private async Task<LiveDatabase?> DigestAsync(CancellationToken cancellationToken)
    {
        SnapshotSource? source = null;
        await WithSessionAsync(open => source = BeginSnapshot(open, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (source is null)
        {
            return null;
        }

        // The read transaction ends before anything is downloaded: it keeps the WAL from being emptied.
        LiveDatabase live;
        using (source)
        {
            live = await Task.Run(() => new LiveDatabase(source.Txid, source.Digest(cancellationToken)), cancellationToken).ConfigureAwait(false);
        }

        await UploadPublishedAsync(cancellationToken).ConfigureAwait(false);
        return live;
    }
}
