using Litestream.Capture;
using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream;

/// <summary>The upload loop, and the end: final sync and closing.</summary>
public sealed partial class ReplicatedDatabase
{
    private static readonly TimeSpan NoWait = TimeSpan.Zero;

    private const int FinalCheckpointAttempts = 3;

    /// <summary>SQLITE_NOTADB: waiting does not make a database of another file.</summary>
    private const int NotADatabase = 26;

    private volatile string? uploadError;
    private volatile string? conflict;

    private async Task RunUploadsAsync(CancellationToken cancellationToken)
    {
        var backoff = new Backoff(Options.SyncInterval, services.Time);
        try
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                await uploadWake.WaitAsync(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
                while (uploader.RemotePosition is { } remote && remote < published.Value)
                {
                    try
                    {
                        await uploader.UploadAsync(cancellationToken).ConfigureAwait(false);
                        RecordUploaded(backoff);
                    }
                    catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
                    {
                        if (!await HandleUploadFailureAsync(e, backoff, cancellationToken).ConfigureAwait(false))
                        {
                            return;
                        }

                        await Task.Delay(backoff.Delay, services.Time, cancellationToken).ConfigureAwait(false);
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Closing: what was not uploaded is uploaded by the final sync.
        }
    }

    private void RecordUploaded(Backoff backoff)
    {
        uploadError = null;
        int ended = backoff.Succeed();
        if (ended > 0)
        {
            logger.Write(LogLevel.Information, "sync recovered", ("consecutive_errors", ended));
        }

        Txid remote = uploader.RemotePosition ?? Txid.None;
        logger.Write(LogLevel.Debug, "replica sync", ("replica", client.Type), ("txid.replica", remote.ToString()), ("txid.db", published.Value.ToString()));
    }

    /// <returns>False if this database must not go on.</returns>
    private async Task<bool> HandleUploadFailureAsync(Exception e, Backoff backoff, CancellationToken cancellationToken)
    {
        uploadError = e.Message;
        bool log = backoff.Fail();
        if (e is ReplicaConflictException)
        {
            StopForSecondWriter(e.Message);
            return false;
        }

        if (log)
        {
            logger.Write(
                LogLevel.Error, "sync error", ("error", e.Message), ("consecutive_errors", backoff.ConsecutiveErrors), ("backoff", backoff.Delay));
        }

        if (await TryRecoverAsync(e, cancellationToken).ConfigureAwait(false))
        {
            uploadError = null;
            backoff.Succeed();
        }

        return true;
    }

    /// <summary>
    /// Drops the local files if that is allowed and helps; the next turn compares with the replica again and takes a full copy
    /// (replication §11). Capture and upload both end here: either may be the only one that meets the damaged file.
    /// </summary>
    private async Task<bool> TryRecoverAsync(Exception cause, CancellationToken cancellationToken)
    {
        if (!Options.AutoRecover || cause is not LocalLtxException { IsAutoRecoverable: true })
        {
            return false;
        }

        await executor.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            logger.Write(LogLevel.Warning, "auto-recovering from ltx error, resetting local state", ("error", cause.Message));
            CloseSession();
            directory.Reset();
            published.Reset(Txid.None);
            distrust = "local state was reset";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            logger.Write(LogLevel.Error, "cannot reset local state", ("path", directory.Root), ("error", e.Message));
            return false;
        }
        finally
        {
            executor.Release();
        }

        captureWake.Signal();
        return true;
    }

    /// <summary>Going on would mix two histories on one replica (decision D35). Whoever met the other's file first says so, at once.</summary>
    private void StopForSecondWriter(string problem)
    {
        if (Interlocked.Exchange(ref conflict, problem) is null)
        {
            logger.Write(LogLevel.Error, "second writer on this replica, replication of this database stops", ("error", problem));
        }

        levels.Halt();
        captureWake.Signal();
    }

    private async Task UploadPublishedAsync(CancellationToken cancellationToken)
    {
        try
        {
            await uploader.UploadAsync(cancellationToken).ConfigureAwait(false);
            uploadError = null;
        }
        catch (ReplicaConflictException e)
        {
            StopForSecondWriter(e.Message);
            throw;
        }
        catch
        {
            // The caller goes away; what it sealed still has to go up.
            uploadWake.Signal();
            throw;
        }
    }

    /// <summary>
    /// Stops watching, captures and uploads what is left, checkpoints, and closes. However early it comes, a database is synced once
    /// before it is closed (trap B45).
    /// </summary>
    /// <param name="interrupt">Ends the retries, and an upload in flight; but one attempt is always made (trap B47).</param>
    /// <exception cref="IOException">The final sync failed for good; the message says how often it was tried.</exception>
    /// <exception cref="OperationCanceledException">It was interrupted.</exception>
    public async Task CloseAsync(CancellationToken interrupt)
    {
        await StopLoopsAsync().ConfigureAwait(false);
        try
        {
            await RetryFinalSyncAsync(interrupt).ConfigureAwait(false);
        }
        finally
        {
            await executor.WaitAsync(CancellationToken.None).ConfigureAwait(false);
            try
            {
                CloseSession();
            }
            finally
            {
                UnlockState();
                executor.Release();
            }
        }
    }

    private async Task RetryFinalSyncAsync(CancellationToken interrupt)
    {
        long began = services.Time.GetTimestamp();
        for (int attempts = 1; ; attempts++)
        {
            try
            {
                using CancellationTokenSource limit = FirstAttemptLimit(attempts, interrupt);
                await FinalSyncAsync(limit.Token).ConfigureAwait(false);
                if (attempts > 1)
                {
                    logger.Write(LogLevel.Information, "shutdown sync succeeded after retry", ("attempts", attempts), ("duration", services.Time.GetElapsedTime(began)));
                }

                return;
            }
            catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
            {
                throw Interrupted(attempts, began);
            }
            catch (Exception e) when (e is not (ReplicaConflictException or SecondWriterException or StateInUseException or SqliteException { ResultCode: NotADatabase }))
            {
                TimeSpan elapsed = services.Time.GetElapsedTime(began);
                TimeSpan remaining = Options.ShutdownSyncTimeout - elapsed;
                if (remaining <= TimeSpan.Zero)
                {
                    logger.Write(LogLevel.Error, "shutdown sync failed", ("attempts", attempts), ("error", e.Message), ("duration", elapsed));
                    throw new IOException(Options.ShutdownSyncTimeout <= TimeSpan.Zero ? e.Message : $"shutdown sync timeout after {attempts} attempts: {e.Message}", e);
                }

                logger.Write(
                    LogLevel.Warning, "shutdown sync failed, retrying (press Ctrl+C again to skip)",
                    ("attempts", attempts), ("error", e.Message), ("elapsed", elapsed), ("remaining", remaining));
            }

            try
            {
                await Task.Delay(Options.ShutdownSyncInterval, services.Time, interrupt).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                throw Interrupted(attempts, began);
            }
        }
    }

    /// <summary>An interrupt that came before anything was tried does not cancel the first attempt; the shutdown limit still does.</summary>
    private CancellationTokenSource FirstAttemptLimit(int attempts, CancellationToken interrupt)
    {
        if (attempts > 1 || !interrupt.IsCancellationRequested)
        {
            return CancellationTokenSource.CreateLinkedTokenSource(interrupt);
        }

        var limit = new CancellationTokenSource(
            Options.ShutdownSyncTimeout > NoWait ? Options.ShutdownSyncTimeout : Timeout.InfiniteTimeSpan, services.Time);
        return limit;
    }

    private OperationCanceledException Interrupted(int attempts, long began)
    {
        logger.Write(
            LogLevel.Warning, "shutdown sync interrupted by signal", ("attempts", attempts), ("duration", services.Time.GetElapsedTime(began)));
        return new OperationCanceledException($"after {attempts} attempts: shutdown sync interrupted");
    }

    private async Task FinalSyncAsync(CancellationToken cancellationToken)
    {
        // A database that was deleted can still have files that wait for upload.
        if (await WithSessionAsync(_ => CatchUpAndCheckpoint(cancellationToken), cancellationToken).ConfigureAwait(false)
            || uploader.RemotePosition < published.Value)
        {
            await UploadPublishedAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Runs work on the open session and seals what it captured. A lost lock is mended by opening anew, once: then continuity is
    /// decided from nothing.
    /// </summary>
    /// <returns>False if there is no database yet.</returns>
    private async Task<bool> WithSessionAsync(Action<CaptureSession> work, CancellationToken cancellationToken)
    {
        if (conflict is { } problem)
        {
            // Opening again would compare with the other writer's files and go on behind them.
            throw new SecondWriterException(problem);
        }

        await executor.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            for (bool retried = false; ; retried = true)
            {
                if (!await EnsureOpenAsync(cancellationToken).ConfigureAwait(false))
                {
                    return false;
                }

                try
                {
                    await InSlotAsync(() => work(session!), cancellationToken).ConfigureAwait(false);
                    return true;
                }
                catch (LockLostException e) when (!retried)
                {
                    OpenAnew(e);
                }
            }
        }
        finally
        {
            executor.Release();
        }
    }

    /// <summary>
    /// Ends with everything in the database file if nobody else has it open, so that the file is complete by itself. While an
    /// application lives its WAL is left alone: once all of it is in the database file the application's next commit restarts it, and
    /// our next start could not tell that nothing was missed in between.
    /// </summary>
    private void CatchUpAndCheckpoint(CancellationToken cancellationToken)
    {
        if (session!.IsUntouched())
        {
            // What costs nothing when idle ends like that: a pass would open a second connection for each of thousands.
            return;
        }

        CatchUp(cancellationToken);
        if (session.UnbackfilledFrames == 0 || shared.OtherUsers.Exist(services.FileSystem, session.FilesAt, Environment.ProcessId))
        {
            return;
        }

        for (int i = 0; i < FinalCheckpointAttempts && session.UnbackfilledFrames > 0; i++)
        {
            session.Checkpoint(cancellationToken);
        }
    }

    private async Task StopLoopsAsync()
    {
        await stop.CancelAsync().ConfigureAwait(false);
        await levels.StopAsync().ConfigureAwait(false);
        if (captureLoop is not null)
        {
            await captureLoop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await uploadLoop!.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            captureLoop = uploadLoop = null;
        }
    }
}
