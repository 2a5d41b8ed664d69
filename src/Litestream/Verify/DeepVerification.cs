using Litestream.Ltx;
using Litestream.Restore;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Verify;

/// <summary>
/// The last doubt: restores into a scratch file, lets SQLite check it, compares it with the database, and removes it again.
/// </summary>
internal sealed class DeepVerification(IReplicaClient client, IFileSystem files, TimeProvider time, ILogger logger)
{
    private const int PageSizeOffset = 16;

    /// <summary>Adds its result to the report of the files.</summary>
    /// <param name="report">What reading the files has found.</param>
    /// <param name="scratchDirectory">Where there is room for the database.</param>
    /// <param name="live">The database to compare with, or null.</param>
    /// <param name="cancellationToken">Stops; the scratch file is removed.</param>
    public async Task<VerifyReport> RunAsync(VerifyReport report, string scratchDirectory, LiveDatabase? live, CancellationToken cancellationToken)
    {
        Txid target = live?.Txid ?? (report.IsDamaged ? report.Proven : report.Newest);
        if (target.IsNone)
        {
            return report;
        }

        string scratch = Path.Combine(scratchDirectory, ScratchName());
        try
        {
            files.CreateDirectory(scratchDirectory);
            await new Restorer(client, files, time, logger).RestoreAsync(
                new RestoreOptions { OutputPath = scratch, TargetTxid = target, IntegrityCheck = IntegrityCheckMode.Full },
                null,
                cancellationToken);
            string? difference = live is null ? null : Compare(scratch, live, cancellationToken);
            return report with
            {
                DeepChecked = difference is null,
                ComparedWithDatabase = live is not null,
                DeepProblem = difference is null ? null : $"transaction {target} restored from the replica is not the database: {difference}",
            };
        }
        catch (Exception failure) when (failure is LtxFileException or RestoreIntegrityException or RestoreUnavailableException or RestoreGapException)
        {
            return report with { DeepProblem = $"transaction {target} cannot be restored: {failure.Message}" };
        }
        finally
        {
            foreach (string suffix in (string[])["", "-wal", "-shm", "-journal"])
            {
                files.TryDelete(scratch + suffix);
            }
        }
    }

    /// <summary>A name of its own for each run: commands and a daemon may verify at the same time. What a kill leaves is swept with all temporary files.</summary>
    private string ScratchName() => $"verify-{Environment.ProcessId}-{time.GetUtcNow().UtcTicks:x}.tmp";

    private string? Compare(string scratch, LiveDatabase live, CancellationToken cancellationToken)
    {
        using IFile file = files.OpenRead(scratch);
        Span<byte> header = stackalloc byte[2];
        if (file.Read(header, PageSizeOffset) != header.Length)
        {
            return "it is no database";
        }

        int pageSize = (header[0] << 8) | header[1];
        return live.Digest.Difference(DatabaseDigest.Of(file, pageSize == 1 ? 65536 : pageSize, cancellationToken));
    }
}
