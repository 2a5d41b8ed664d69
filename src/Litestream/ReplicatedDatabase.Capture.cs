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
    private volatile DatabaseState state;
    private volatile string? lastError;
    private long syncCount;
    private long syncErrorCount;
    private long walBytesBefore;
    private bool signalled;

    private DateTimeOffset Now => services.Time.GetUtcNow();

    private async Task RunCaptureAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (conflict is null)
            {
                TimeSpan wait = await AttemptStepAsync(cancellationToken).ConfigureAwait(false);
                signalled = await captureWake.WaitAsync(wait, cancellationToken).ConfigureAwait(false);
            }

            // A lock that nobody captures under would only make the WAL grow.
            await executor.WaitAsync(cancellationToken).ConfigureAwait(false);
            CloseSession();
            executor.Release();
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Closing: what was not captured is captured by the final sync.
        }
    }

    /// <summary>One turn with its failures. After one the whole pause is waited out, whatever signals: a full disk must not be tried at every commit (trap A13).</summary>
    private async Task<TimeSpan> AttemptStepAsync(CancellationToken cancellationToken)
    {
        try
        {
            TimeSpan wait = await StepAsync(cancellationToken).ConfigureAwait(false);
            RecordSuccess();
            return wait;
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            RecordFailure(e, "monitor error");
            if (!await TryRecoverAsync(e, cancellationToken).ConfigureAwait(false))
            {
                await Task.Delay(captureBackoff.Delay, services.Time, cancellationToken).ConfigureAwait(false);
            }

            return TimeSpan.Zero;
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
            reopened = false;
            return wait;
        }
        catch (LockLostException e)
        {
            // Once at once; a lock that is lost again and again is a failure like any other, with its pauses.
            OpenAnew(e);
            if (reopened)
            {
                throw;
            }

            reopened = true;
            return TimeSpan.Zero;
        }
        finally
        {
            executor.Release();
            firstAttempt.TrySetResult();
        }
    }

    /// <summary>Looks, captures if due, checkpoints if due, and wakes the uploader.</summary>
    private TimeSpan Turn(CancellationToken cancellationToken)
    {
        CaptureSession open = session!;
        DateTimeOffset now = Now;
        if (schedule.IsActive && now < schedule.NextPassAt)
        {
            uint uncaptured = open.PendingFrames();
            uint waiting = uncaptured + (open.MayCheckpoint ? open.UnbackfilledFrames : 0);
            schedule.RecordFrames(now, uncaptured, waiting, open.EarlyPassThreshold);
            if (waiting < open.EarlyPassThreshold && !schedule.HasPaused)
            {
                return Least(schedule.NextPassAt - now, schedule.Look);
            }
        }

        // Armed before the look: a commit between the two raises its event, none falls through.
        bool wasActive = schedule.IsActive;
        bool armed = !wasActive && ArmWatch(open);
        if (!wasActive && retryLook == TimeSpan.Zero && open.IsUntouched())
        {
            return IdleWait(open, armed);
        }

        PassResult pass = RunPass(open, publish: now >= schedule.NextPassAt, cancellationToken);
        RunDueCheckpoint(open, asked: false, cancellationToken);
        if (wasActive && !schedule.IsActive)
        {
            // Nothing watched while it was active. A commit whose frames were written before the watch is armed, and which becomes
            // visible after the look, raises no event: look for it as after one (trap C13).
            captureWake.Signal();
            return TimeSpan.Zero;
        }

        return NextWait(open, pass, armed);
    }

    private PassResult RunPass(CaptureSession open, bool publish, CancellationToken cancellationToken)
    {
        syncCount++;
        PassResult pass = open.Pass(publish, cancellationToken);
        if (pass.FullCopyReason is not null && nextCopyIsBase)
        {
            nextCopyIsBase = false;
            uploader.RequireBase(open.Position);
        }

        if (pass.FullCopyReason is not null)
        {
            distrust = null;
        }

        DateTimeOffset now = Now;
        schedule.RecordPass(now, pass.Advanced);
        if (uploader.RemotePosition < published.Value)
        {
            RecordPublished(now);
            uploadWake.Signal();
        }

        if (pass.Advanced)
        {
            lastAdvance = now;
            logger.Write(LogLevel.Debug, "sync", ("txid", open.Position.ToString()), ("wal_bytes", pass.WalBytes));
        }

        return pass;
    }

    /// <summary>At most one file in a sync interval, so at most one upload; the first after quiet goes at once.</summary>
    private void RecordPublished(DateTimeOffset now)
    {
        if (published.Value > lastPublished)
        {
            lastPublished = published.Value;
            schedule.RecordPublish(now);
        }
    }

    /// <summary>The file that ends where a snapshot begins counts as the one of its interval.</summary>
    private SnapshotSource? BeginSnapshot(CaptureSession open, CancellationToken cancellationToken)
    {
        SnapshotSource? source = open.BeginSnapshot(cancellationToken);
        RecordPublished(Now);
        return source;
    }

    private void RunDueCheckpoint(CaptureSession open, bool asked, CancellationToken cancellationToken)
    {
        DateTimeOffset now = Now;
        if (open.UnbackfilledFrames == 0)
        {
            lastCheckpoint = now;
        }

        // In the quiet the last frames go into the database file soon: the lock is then out of everybody's way, and nothing is left to
        // look after.
        bool byQuiet = open.UnbackfilledFrames > 0 && !schedule.IsActive && now - lastAdvance >= CheckpointInQuiet;
        bool byTime = byQuiet || (Options.CheckpointInterval > TimeSpan.Zero && open.UnbackfilledFrames > 0 && now - lastCheckpoint >= Options.CheckpointInterval);
        if ((!asked && !open.MayCheckpoint) || (!byTime && open.UnbackfilledFrames < open.CheckpointThreshold))
        {
            return;
        }

        lastCheckpoint = now;
        if (!open.IsOverFallbackLimit)
        {
            if (open.Checkpoint(cancellationToken))
            {
                schedule.ExpectRestart();
            }

            return;
        }

        PassResult pass = open.CheckpointUnderLoad(cancellationToken);
        if (pass.Advanced)
        {
            schedule.RecordPass(Now, true);
            lastAdvance = Now;
        }
    }

    private TimeSpan NextWait(CaptureSession open, in PassResult pass, bool armed)
    {
        DateTimeOffset now = Now;
        if (schedule.IsActive)
        {
            retryLook = TimeSpan.Zero;
            return Least(schedule.NextPassAt > now ? schedule.NextPassAt - now : TimeSpan.Zero, schedule.Look);
        }

        if (open.HasPending)
        {
            return Positive(schedule.NextPassAt - now, TimeSpan.FromMilliseconds(1));
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
        TimeSpan wait = IdleWait(open, armed);
        if (open.UnbackfilledFrames > 0 && Options.CheckpointInterval > TimeSpan.Zero)
        {
            wait = Least(wait, Positive(lastCheckpoint + Options.CheckpointInterval - now, TimeSpan.FromMilliseconds(1)));
        }

        if (open.NeedsHandOver)
        {
            return Least(wait, HandOverInterval);
        }

        return wait;
    }

    /// <summary>Until the next look if nothing signals; what only a busy database needs is given back first.</summary>
    private TimeSpan IdleWait(CaptureSession open, bool armed)
    {
        TimeSpan wait = armed ? AuditInterval : Options.MonitorInterval;
        TimeSpan quiet = Now - lastAdvance;
        if (quiet < TrimAfter)
        {
            return Least(wait, TrimAfter - quiet);
        }

        open.Trim();
        return wait;
    }

    /// <summary>
    /// Captures everything committed before the call, checkpoint decision included. One pass, which ends at a position of its own: going
    /// on until nothing is left would never end while writers never pause.
    /// </summary>
    private void CatchUp(CancellationToken cancellationToken)
    {
        CaptureSession open = session!;
        RunPass(open, publish: true, cancellationToken);
        RunDueCheckpoint(open, asked: true, cancellationToken);
    }

    /// <summary>Opens the database and compares it with the replica, if that has not been done.</summary>
    /// <returns>False if there is no database yet.</returns>
    private async Task<bool> EnsureOpenAsync(CancellationToken cancellationToken)
    {
        if (session is not null && baselined)
        {
            return true;
        }

        if (session is null && !ExistsToOpen())
        {
            return false;
        }

        // The caller is the only owner, so nothing changes while it waits for its place.
        using IDisposable place = await shared.Openings.EnterAsync(cancellationToken).ConfigureAwait(false);
        if (session is null)
        {
            LockState();
            directory.DeleteTemporaryFiles();
            await OpenSessionAsync(cancellationToken).ConfigureAwait(false);
        }

        // The lock is held from here on, also while the replica cannot be reached: the WAL waits for us (trap B10).
        await BaselineAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>
    /// Waits for an application that holds the database exclusively as long as SQLite itself would, but without a worker slot and without
    /// a thread: a few such databases would stop all the others.
    /// </summary>
    private async Task OpenSessionAsync(CancellationToken cancellationToken)
    {
        long began = services.Time.GetTimestamp();
        for (TimeSpan pause = ShortestBusyPause; session is null; pause = Least(pause * 2, LongestBusyPause))
        {
            try
            {
                await InSlotAsync(() => session = CaptureSession.Open(Options, services, directory, published, logger), cancellationToken).ConfigureAwait(false);
            }
            catch (SqliteException e) when (e.IsBusy && services.Time.GetElapsedTime(began) + pause <= Options.BusyTimeout)
            {
                await Task.Delay(pause, services.Time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private bool ExistsToOpen()
    {
        if (services.FileSystem.Stat(Options.Path) is not { Kind: FileKind.Regular, Size: > 0 } file)
        {
            ReportMissing();
            return false;
        }

        if (warnedMissing)
        {
            warnedMissing = false;
            logger.Write(LogLevel.Information, "database file has appeared", ("path", Options.Path));
        }

        directory.FileOwnership = file.Ownership;
        directory.DirectoryOwnership = services.FileSystem.Stat(System.IO.Path.GetDirectoryName(Options.Path)!)?.Ownership;
        return true;
    }

    private async Task BaselineAsync(CancellationToken cancellationToken)
    {
        if (!clientReady)
        {
            await client.InitializeAsync(cancellationToken).ConfigureAwait(false);
            clientReady = true;
        }

        directory.Create();
        Baseline found;
        try
        {
            found = await new ReplicaBaseline(client, directory, logger, levels.IsStarted ? null : levels.Catalog).EstablishAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (LocalLtxException e) when (Options.AutoRecover && e.IsAutoRecoverable)
        {
            // The baseline runs again at once: without it transactions would start at 1 under a replica that has n (trap B4).
            logger.Write(LogLevel.Warning, "auto-recovering from ltx error, resetting local state", ("error", e.Message));
            directory.Reset();
            directory.Create();
            distrust = "local state was reset";
            found = await new ReplicaBaseline(client, directory, logger, levels.IsStarted ? null : levels.Catalog).EstablishAsync(cancellationToken).ConfigureAwait(false);
        }

        published.Reset(found.Position);
        uploader.Reset(found.Remote);
        nextCopyIsBase = found.NeedsBase;
        await InSlotAsync(() => session!.Start(found.Position, found.Local, distrust), cancellationToken).ConfigureAwait(false);
        lastCheckpoint = Now;
        baselined = true;
        state = DatabaseState.Replicating;
        captureWake.Signal();
        if (!levels.IsStarted && !stop.IsCancellationRequested)
        {
            levels.Start();
        }

        if (found.Remote < found.Position)
        {
            uploadWake.Signal();
        }
    }

    /// <summary>Held from the first opening to the close: two processes on one state directory would number transactions side by side (decision D35).</summary>
    private void LockState()
    {
        if (stateLock is null)
        {
            services.FileSystem.CreateDirectory(Options.StateDirectory, directory.DirectoryOwnership);
            stateLock = StateDirectoryLock.TryAcquire(services.FileSystem, Options)
                ?? throw new StateInUseException(Options.Path, StateDirectoryLock.PathOf(Options));
        }
    }

    private void UnlockState()
    {
        stateLock?.Dispose();
        stateLock = null;
    }

    private void ReportMissing()
    {
        state = DatabaseState.NoDatabase;
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
        walBytesBefore += session?.Statistics.WalBytes ?? 0;
        session?.Dispose();
        session = null;
        baselined = false;
        state = DatabaseState.Stopped;
    }

    /// <summary>Nothing that the session knows is worth anything now; the next turn opens again and decides continuity from nothing.</summary>
    private void OpenAnew(LockLostException cause)
    {
        try
        {
            session?.SealPending();
        }
        catch (LocalLtxException e)
        {
            logger.Write(LogLevel.Warning, "captured changes were not written", ("error", e.Message));
        }

        CloseSession();
        distrust = cause.FilesReplaced ? "database files were replaced" : distrust;
        logger.Write(LogLevel.Warning, "opening the database anew", ("reason", cause.Message));
    }

    private bool ArmWatch(CaptureSession open)
    {
        if (shared.Notifier is not { IsSupported: true } notifier)
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
            state = DatabaseState.Replicating;
            uploader.ConfirmIfIdle();
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
        state = DatabaseState.Failing;
        bool log = captureBackoff.Fail();
        if (e is LocalLtxException { Problem: LocalLtxProblem.DiskFull } && captureBackoff.ConsecutiveErrors >= 3)
        {
            TryDeleteTemporaryFiles();
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

    /// <summary>Frees what failed attempts may have left on a full disk. Runs while a failure is handled, which it must not replace.</summary>
    private void TryDeleteTemporaryFiles()
    {
        try
        {
            directory.DeleteTemporaryFiles();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            logger.Write(LogLevel.Debug, "cannot delete temporary files", ("error", e.Message));
        }
    }

    private string Explain(Exception e) => e is SqliteException { IsBusy: true }
        ? $"{e.Message}; another process holds {Options.Path} exclusively (locking_mode=EXCLUSIVE?), or is recovering it"
        : e.Message;

    private async Task InSlotAsync(Action work, CancellationToken cancellationToken)
    {
        await shared.WorkerSlots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            work();
        }
        finally
        {
            shared.WorkerSlots.Release();
        }
    }

    private static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Positive(TimeSpan value, TimeSpan otherwise) => value > TimeSpan.Zero ? value : otherwise;
}
