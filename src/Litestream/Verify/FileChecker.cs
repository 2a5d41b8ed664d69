using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Verify;

/// <summary>Reads one file of a replica from the first byte to the last and checks everything that it can say by itself.</summary>
/// <param name="client">The replica.</param>
/// <param name="time">Clock of retries and of the results.</param>
internal sealed class FileChecker(IReplicaClient client, TimeProvider time)
{
    /// <summary>Reads one file.</summary>
    /// <returns>The result; null if the file is gone: it was merged or has expired.</returns>
    public async Task<CheckedFile?> CheckAsync(LtxFileInfo file, long run, CancellationToken cancellationToken)
    {
        try
        {
            FileContent content = await ReadAsync(file, cancellationToken);
            return new CheckedFile(file, run, time.GetUtcNow(), content, null);
        }
        catch (LtxFileNotFoundException)
        {
            return null;
        }
        catch (MisplacedFileException misplaced)
        {
            return Failed(file, run, VerifyProblem.Misplaced, misplaced.Message);
        }
        catch (LtxException damage)
        {
            return Failed(file, run, VerifyProblem.Damaged, damage.Message, damage.Offset);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Failed(file, run, VerifyProblem.Unreadable, failure.Message);
        }
    }

    private async Task<FileContent> ReadAsync(LtxFileInfo file, CancellationToken cancellationToken)
    {
        Stream stream = ResumableReader.ForReplica(client, file, time).AsStream();
        await using var reader = new LtxReader(stream, file.Name);
        LtxHeader header = await reader.ReadHeaderAsync(cancellationToken);
        uint lockPage = LtxFormat.LockPage(header.PageSize);
        uint last = 0;
        uint runStart = 0;
        while (await reader.ReadPageAsync(cancellationToken))
        {
            uint page = reader.PageNumber;
            runStart = runStart != 0 && page == Following(last, lockPage) ? runStart : page;
            last = page;
        }

        await reader.FinishAsync(cancellationToken);
        RequireItsPlace(file, header);
        bool reachesEnd = last == header.Commit || (header.Commit == lockPage && last + 1 == lockPage);
        return new FileContent(header.PageSize, header.Commit, reachesEnd && last > 0 ? runStart : header.Commit + 1);
    }

    /// <summary>The name and the level must fit the header: a file in the place of another one passes all its own checksums.</summary>
    private static void RequireItsPlace(in LtxFileInfo file, in LtxHeader header)
    {
        if (header.MinTxid != file.MinTxid || header.MaxTxid != file.MaxTxid)
        {
            throw new MisplacedFileException($"the header says transactions {header.MinTxid} to {header.MaxTxid}: another file has this name");
        }

        // Level 0 names the WAL segment it was copied from, a merged file has none (store-and-restore §3): that tells apart two files
        // of the same transactions at different levels.
        bool merged = header.WalOffset == 0;
        bool fits = file.Level switch
        {
            0 => !merged && header.MinTxid == header.MaxTxid,
            LtxFileInfo.SnapshotLevel => header.IsSnapshot,
            _ => merged,
        };
        if (!fits)
        {
            throw new MisplacedFileException($"the header is not that of a level-{file.Level} file: a file of another level has this name");
        }
    }

    private static uint Following(uint page, uint lockPage) => page + 1 == lockPage ? page + 2 : page + 1;

    private CheckedFile Failed(in LtxFileInfo file, long run, VerifyProblem problem, string detail, long offset = -1) =>
        new(file, run, time.GetUtcNow(), null, VerifyFinding.Of(file, problem, detail, offset));

    private sealed class MisplacedFileException(string message) : Exception(message);
}
