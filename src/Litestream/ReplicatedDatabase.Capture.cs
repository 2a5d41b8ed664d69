using Litestream.Capture;
using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.State;
using Litestream.Storage;
using Litestream.Upload;
using Microsoft.Extensions.Logging;

namespace Litestream;

/// <summary>The capture loop: opening, passes, checkpoints, and when to look again.</summary>
public sealed partial class ReplicatedDatabase
{
    private string? lastError;
    private long syncCount;
    private long syncErrorCount;
    private long totalWalBytes;
    private bool signalled;

    private DateTimeOffset Now => services.Time.GetUtcNow();

    private async Task RunCaptureAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested && State != DatabaseState.SecondWriter)
        {
            TimeSpan wait;
            try
            {
                wait = await StepAsync(cancellationToken).ConfigureAwait(false);
                RecordSuccess();
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                RecordFailure(e, "monitor error");
                wait = captureBackoff.Delay;
            }

            try
            {
                signalled = await captureWake.WaitAsync(wait, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
    }

    /// <summary>One turn of the loop.</summary>
    /// <returns>How long to wait if nothing signals.</returns>
    private async Task<TimeSpan> StepAsync(CancellationToken cancellationToken)
    {
        await executor.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!await EnsureOpenAsync(cancellationToken).ConfigureAwait(false))
            {
                return Options.MonitorInterval;
            }

            TimeSpan wait = TimeSpan.Zero;
            await InSlotAsync(() => wait = Turn(cancellationToken), cancellationToken).ConfigureAwait(false);
            return wait;
        }
        catch (LockLostException e)
        {
            OpenAnew(e);
            return TimeSpan.Zero;
        }
        finally
        {
            executor.Release();
        }
    }

    /// <summary>Looks, captures if due, checkpoints if due, and hands sealed files to the uploader.</summary>
    private TimeSpan Turn(CancellationToken cancellationToken)
    {
        CaptureSession open = session!;
        DateTimeOffset now = Now;
        if (schedule.IsActive && now < schedule.NextPassAt)
        {
            uint waiting = open.PendingFrames() + open.UnbackfilledFrames;
            schedule.RecordFrames(now, waiting, open.CheckpointThreshold);
            if (waiting < open.CheckpointThreshold)
            {
                return Least(schedule.NextPassAt - now, schedule.Look);
            }
        }

        // Armed before the look: a commit between the two raises its event, none falls through.
        bool wasActive = schedule.IsActive;
        bool armed = !wasActive && ArmWatch(open);
        PassResult pass = RunPass(open, cancellationToken);
        OfferUpload(now);
        RunDueCheckpoint(open, cancellationToken);
        OfferUpload(Now);
        ApplyRetention();
        bool turnedQuiet = wasActive && !schedule.IsActive;
        return turnedQuiet ? TimeSpan.Zero : NextWait(open, pass, armed);
    }

    private PassResult RunPass(CaptureSession open, CancellationToken cancellationToken)
    {
        syncCount++;
        PassResult pass = open.Pass(cancellationToken);
        totalWalBytes += pass.WalBytes;
        if (pass.FullCopyReason is not null && nextCopyIsBase)
        {
            nextCopyIsBase = false;
            uploader.RequireBase(open.Position);
        }

        DateTimeOffset now = Now;
        schedule.RecordPass(now, pass.Advanced);
        if (pass.Advanced)
        {
            lastAdvance = now;
            logger.Write(LogLevel.Debug, "sync", ("txid", open.Position.ToString()), ("wal_bytes", pass.WalBytes));
        }

        return pass;
    }

    private void RunDueCheckpoint(CaptureSession open, CancellationToken cancellationToken)
    {
        DateTimeOffset now = Now;
        if (open.UnbackfilledFrames == 0)
        {
            lastCheckpoint = now;
        }

        bool byTime = Options.CheckpointInterval > TimeSpan.Zero && open.UnbackfilledFrames > 0 && now - lastCheckpoint >= Options.CheckpointInterval;
        if (!byTime && open.UnbackfilledFrames < open.CheckpointThreshold)
        {
            return;
        }

        lastCheckpoint = now;
        PassResult pass = open.IsOverFallbackLimit ? open.CheckpointUnderLoad(cancellationToken) : open.Checkpoint(cancellationToken);
        totalWalBytes += pass.WalBytes;
        if (pass.Advanced)
        {
            schedule.RecordPass(Now, true);
            lastAdvance = Now;
        }
    }

    /// <summary>At most one upload in a sync interval; the first after quiet goes at once.</summary>
    private void OfferUpload(DateTimeOffset now)
    {
        if (gate.Published > gate.SealedThrough && now >= nextUploadAt && uploader.IsIdle)
        {
            gate.Seal();
            nextUploadAt = now + Options.SyncInterval;
            uploadWake.Signal();
        }
    }

    private TimeSpan NextWait(CaptureSession open, in PassResult pass, bool armed)
    {
        DateTimeOffset now = Now;
        if (schedule.IsActive)
        {
            retryLook = TimeSpan.Zero;
            DateTimeOffset due = gate.Published > gate.SealedThrough && nextUploadAt < schedule.NextPassAt ? nextUploadAt : schedule.NextPassAt;
            return Least(due > now ? due - now : TimeSpan.Zero, schedule.Look);
        }

        if (gate.Published > gate.SealedThrough)
        {
            return Positive(nextUploadAt - now, Options.SyncInterval);
        }

        // The event comes before the commit is visible, and becoming visible raises none: look again in 1, 2, 4 … ms (trap C13).
        if (!pass.Advanced && (signalled || retryLook > TimeSpan.Zero) && open.FileIsAhead())
        {
            retryLook = retryLook == TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : retryLook * 2;
            if (retryLook < AuditInterval)
            {
                return Least(retryLook, MaximumRetryLook);
            }
        }

        retryLook = TimeSpan.Zero;
        TimeSpan wait = armed ? AuditInterval : Options.MonitorInterval;
        if (open.UnbackfilledFrames > 0 && Options.CheckpointInterval > TimeSpan.Zero)
        {
            wait = Least(wait, Positive(lastCheckpoint + Options.CheckpointInterval - now, TimeSpan.FromMilliseconds(1)));
        }

        if (open.NeedsHandOver)
        {
            return Least(wait, HandOverInterval);
        }

        if (now - lastAdvance >= TrimAfter)
        {
            open.Trim();
            return wait;
        }

        return Least(wait, TrimAfter);
    }

    /// <summary>Passes until nothing is left, checkpoint decision included.</summary>
    private void CatchUp(CancellationToken cancellationToken)
    {
        CaptureSession open = session!;
        do
        {
            RunDueCheckpoint(open, cancellationToken);
        }
        while (RunPass(open, cancellationToken).Advanced);
    }

    /// <summary>Opens the database and compares it with the replica, if that has not been done.</summary>
    /// <returns>False if there is no database yet.</returns>
    private async Task<bool> EnsureOpenAsync(CancellationToken cancellationToken)
    {
        if (session is not null && baselined)
        {
            return true;
        }

        if (session is null)
        {
            if (services.FileSystem.Stat(Options.Path) is not { Kind: FileKind.Regular, Size: > 0 } file)
            {
                ReportMissing();
                return false;
            }

            warnedMissing = false;
            directory.FileOwnership = file.Ownership;
            directory.DirectoryOwnership = services.FileSystem.Stat(System.IO.Path.GetDirectoryName(Options.Path)!)?.Ownership;
            await InSlotAsync(() => session = CaptureSession.Open(Options, services, directory, gate, logger), cancellationToken).ConfigureAwait(false);
        }

        // The lock is held from here on, also while the replica cannot be reached: the WAL waits for us (trap B10).
        await BaselineAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async Task BaselineAsync(CancellationToken cancellationToken)
    {
        directory.Create();
        Baseline found;
        try
        {
            found = await new ReplicaBaseline(client, directory, logger).EstablishAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (LocalLtxException e) when (Options.AutoRecover && e.IsAutoRecoverable)
        {
            // The baseline runs again at once: without it transactions would start at 1 under a replica that has n (trap B4).
            logger.Write(LogLevel.Warning, "auto-recovering from ltx error, resetting local state", ("error", e.Message));
            directory.Reset();
            directory.Create();
            found = await new ReplicaBaseline(client, directory, logger).EstablishAsync(cancellationToken).ConfigureAwait(false);
        }

        gate.Reset(found.Position);
        uploader.Reset(found.Remote);
        nextCopyIsBase = found.NeedsBase;
        await InSlotAsync(() => session!.Start(found.Position, found.Local), cancellationToken).ConfigureAwait(false);
        lastCheckpoint = Now;
        baselined = true;
        State = DatabaseState.Replicating;
        if (found.Remote < found.Position)
        {
            uploadWake.Signal();
        }
    }

    private void ReportMissing()
    {
        State = DatabaseState.NoDatabase;
        if (!warnedMissing)
        {
            warnedMissing = true;
            logger.Write(LogLevel.Warning, "database file does not exist yet, waiting for it", ("path", Options.Path));
        }
    }

    private void CloseSession()
    {
        watch?.Dispose();
        watch = null;
        session?.Dispose();
        session = null;
        baselined = false;
        State = DatabaseState.Stopped;
    }

    /// <summary>Nothing that the session knows is worth anything now; the next turn opens again and decides continuity from nothing.</summary>
    private void OpenAnew(LockLostException cause)
    {
        CloseSession();
        logger.Write(LogLevel.Warning, "opening the database anew", ("reason", cause.Message));
    }

    private bool ArmWatch(CaptureSession open)
    {
        if (notifier is not { IsSupported: true })
        {
            return false;
        }

        watch ??= notifier.Register(open.FilesAt + "-wal", captureWake.Signal);
        return watch.Arm();
    }

    private void RecordSuccess()
    {
        lastError = null;
        if (baselined)
        {
            State = DatabaseState.Replicating;
        }

        int ended = captureBackoff.Succeed();
        if (ended > 0)
        {
            logger.Write(LogLevel.Information, "sync recovered", ("consecutive_errors", ended));
        }
    }

    private void RecordFailure(Exception e, string message)
    {
        syncErrorCount++;
        lastError = e.Message;
        State = DatabaseState.Failing;
        bool log = captureBackoff.Fail();
        if (e is LocalLtxException { Problem: LocalLtxProblem.DiskFull } && captureBackoff.ConsecutiveErrors >= 3)
        {
            directory.DeleteTemporaryFiles();
        }

        if (!log)
        {
            return;
        }

        if (e is LocalLtxException { Problem: LocalLtxProblem.DiskFull } full)
        {
            logger.Write(
                LogLevel.Error, "disk full while staging ltx file, replication paused until space is freed",
                ("path", full.Path), ("txid", full.Txid.ToString()), ("error", e.Message), ("max_backoff", TimeSpan.FromMinutes(5)));
            return;
        }

        logger.Write(
            LogLevel.Error, message,
            ("error", Explain(e)), ("consecutive_errors", captureBackoff.ConsecutiveErrors), ("backoff", captureBackoff.Delay));
    }

    private string Explain(Exception e) => e is SqliteException { IsBusy: true }
        ? $"{e.Message}; another process holds {Options.Path} exclusively (locking_mode=EXCLUSIVE?), or is recovering it"
        : e.Message;

    private async Task InSlotAsync(Action work, CancellationToken cancellationToken)
    {
        await workerSlots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            work();
        }
        finally
        {
            workerSlots.Release();
        }
    }

    private static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Positive(TimeSpan value, TimeSpan otherwise) => value > TimeSpan.Zero ? value : otherwise;
}
