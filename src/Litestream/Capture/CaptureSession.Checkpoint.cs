using Litestream.Diagnostics;
using Litestream.Sqlite;
using Microsoft.Extensions.Logging;

namespace Litestream.Capture;

/// <summary>
/// Keeping the WAL small without ever taking the write lock in normal work (replication §8.7 rules 3, 4 and 7).
/// </summary>
internal sealed partial class CaptureSession
{
    /// <summary>
    /// Frames that make the fallback due: writers that never pause let no hand-over reach slot 0, so the WAL is never restarted.
    /// Each use of the write lock makes waiting writers sleep longer than it lasts, so it is rare; 5,000 frames of 4 KiB are 21 MB.
    /// </summary>
    private const uint FallbackFrames = 5_000;

    /// <summary>A checkpoint of so many frames is due whatever the configuration says: below an application's own 1000 (rule 7).</summary>
    private const uint MaxCheckpointFrames = 400;

    /// <summary>Rounds of a checkpoint without a lock. Each has only the commits of the one before to do.</summary>
    private const int MaxRounds = 4;

    /// <summary>If more was committed during a round, another one would not end differently.</summary>
    private const uint SmallTailFrames = 32;

    /// <summary>More than this is worth a round without the lock before the lock is taken.</summary>
    private const uint LargeTailFrames = 400;

    private const long DefaultTruncatePageCount = 121359;

    private static readonly TimeSpan WriteLockPatience = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan CheckpointLockPatience = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// The write lock is given up after so long, whatever was reached.
    /// </summary>
    private static readonly TimeSpan WriteLockLimit = TimeSpan.FromMilliseconds(12);

    private static readonly TimeSpan ShortBlockedPause = TimeSpan.FromMilliseconds(10);

    private static readonly TimeSpan LongBlockedPause = TimeSpan.FromSeconds(1);

    /// <summary>What keeps a checkpoint from its frames for longer than this is a long reader, not somebody between two statements.</summary>
    private static readonly TimeSpan LongReader = TimeSpan.FromSeconds(2);

    private uint backfilled;
    private bool onSlotZero;
    private DateTimeOffset noCheckpointBefore;
    private DateTimeOffset? blockedSince;
    private SqliteConnection? fallbackWriter;

    /// <summary>Counters and times of checkpoints.</summary>
    public CheckpointStatistics Statistics { get; } = new();

    /// <summary>Captured frames that are not yet in the database file.</summary>
    public uint UnbackfilledFrames => captured.Frame - Math.Min(backfilled, captured.Frame);

    /// <summary>
    /// True while the lock may stand in the way of an application's own RESTART or TRUNCATE: it then has to be handed over from time
    /// to time (rule 7).
    /// </summary>
    public bool NeedsHandOver => !onSlotZero && captured.Frame > 0;

    /// <summary>False for a while after a checkpoint found its way blocked: trying at every look would gain nothing.</summary>
    public bool MayCheckpoint => time.GetUtcNow() >= noCheckpointBefore;

    /// <summary>Captured frames that make a checkpoint due (rule 7).</summary>
    public uint CheckpointThreshold => (uint)Math.Min(options.MinCheckpointPageCount, MaxCheckpointFrames);

    /// <summary>
    /// Rule 3: everything up to the mark is captured; PASSIVE without any lock; hand over. If nobody committed in between, the new
    /// lock is on slot 0 and the next commit restarts the WAL by itself. If somebody did, a round more has only that to do, and so
    /// is shorter.
    /// </summary>
    /// <returns>True if the next commit restarts the WAL.</returns>
    public bool Checkpoint(CancellationToken cancellationToken)
    {
        for (int round = 1; ; round++)
        {
            if (CheckpointOnce(CheckpointLockPatience))
            {
                return true;
            }

            if (round == MaxRounds || UnbackfilledFrames > 0)
            {
                return false;
            }

            if (PendingFrames() > SmallTailFrames)
            {
                // Writers do not pause. Moving the mark for a few frames would only give every commit of theirs a checkpoint to run.
                return false;
            }

            Pass(publish: false, cancellationToken);
        }
    }

    private bool CheckpointOnce(TimeSpan patience)
    {
        CheckpointResult result = Passive(patience);
        onSlotZero = !result.Busy && result.HasRun && result.IsComplete && TryHandOverIfCaughtUp();
        if (onSlotZero)
        {
            TruncateIfLarge();
        }

        return onSlotZero;
    }

    /// <summary>
    /// Hands the lock over if nothing was committed since the last pass. Behind a complete checkpoint the new lock is then on slot 0.
    /// A commit in between leaves everything as it is: it is captured in its turn, not in a file of its own.
    /// </summary>
    private bool TryHandOverIfCaughtUp()
    {
        readLock.BeginNext(out WalPosition? position);
        if (position is { } p && IsAtEndOfCaptured(p))
        {
            return readLock.TryHandOver(position);
        }

        readLock.AbandonNext();
        return false;
    }

    /// <summary>
    /// Rule 4: writers never pause and the WAL outgrows its limit. The bulk is checkpointed without a lock; then the write lock, for a
    /// bounded time, keeps writers out while the few frames that arrived since are captured and checkpointed. Nothing is written.
    /// Behind a long reader the lock would gain nothing: then the blocked backfill is counted and shown instead (trap C15).
    /// </summary>
    public PassResult CheckpointUnderLoad(CancellationToken cancellationToken)
    {
        if (Checkpoint(cancellationToken) || captured.Frame < FallbackFrames)
        {
            return default;
        }

        // With frames left behind, or an application checkpointing them itself just now, the lock would gain nothing.
        if (UnbackfilledFrames > 0)
        {
            return default;
        }

        ReduceTail(cancellationToken);
        fallbackWriter ??= readLock.OpenConnection();
        if (!fallbackWriter.TryBeginImmediate(WriteLockPatience))
        {
            logger.Write(LogLevel.Debug, "write lock not available for the fallback checkpoint", ("wal_frames", captured.Frame));
            return default;
        }

        long began = time.GetTimestamp();
        uint before = captured.Frame;
        try
        {
            PassResult tail = Pass(publish: false, mayCopy: false, cancellationToken);

            // A commit just before may have begun a checkpoint of its own, and somebody may be between reading and writing: both are
            // soon done, and a lock given up without a restart would have been for nothing.
            while (!CheckpointOnce(WriteLockLimit) && time.GetElapsedTime(began) < WriteLockLimit)
            {
                Thread.Yield();
            }

            return tail;
        }
        finally
        {
            fallbackWriter.Rollback();
            TimeSpan held = time.GetElapsedTime(began);
            Statistics.RecordWriteLock(held);
            logger.Write(
                LogLevel.Debug, "checkpointed under the write lock",
                ("held", held), ("wal_frames", captured.Frame), ("tail_frames", captured.Frame - before), ("restarts", onSlotZero));
        }
    }

    /// <summary>
    /// What arrived while the bulk was checkpointed would all be work under the write lock: a few rounds more without it, as long as
    /// there is much.
    /// </summary>
    private void ReduceTail(CancellationToken cancellationToken)
    {
        for (int round = 1; round < MaxRounds && PendingFrames() > LargeTailFrames; round++)
        {
            Pass(publish: false, cancellationToken);
            CheckpointOnce(CheckpointLockPatience);
        }
    }

    /// <summary>
    /// Frames that are worth a pass before the sync interval is over: enough that a checkpoint pays, and below the 1000 at which an
    /// application's commits run checkpoints of their own that our mark makes futile.
    /// </summary>
    public uint EarlyPassThreshold => CheckpointThreshold * 2;

    /// <summary>True if the WAL is over the limit at which the fallback is tried.</summary>
    public bool IsOverFallbackLimit => captured.Frame >= FallbackFrames;

    private CheckpointResult Passive(TimeSpan patience)
    {
        long began = time.GetTimestamp();
        CheckpointResult result = readLock.Checkpoint(CheckpointMode.Passive);
        while ((result.Busy || IsBehindReader(result)) && time.GetElapsedTime(began) < patience)
        {
            // An application's own checkpoint is at work: above 1000 frames every commit of it runs one. Or somebody is between the
            // begin of a statement and its end. Both are soon done.
            Thread.Yield();
            result = readLock.Checkpoint(CheckpointMode.Passive);
        }

        Statistics.RecordCheckpoint(CheckpointMode.Passive, time.GetElapsedTime(began));
        if (!result.Busy && result.HasRun)
        {
            // The counts are those of the generation in use, which may be newer than the captured one.
            backfilled = (uint)Math.Min(result.BackfilledFrames, captured.Frame);
        }

        RecordBlocked(result.Busy || IsBehindReader(result));

        return result;
    }

    /// <summary>True if the checkpoint ended before our own mark: a reader with an older one is in the way.</summary>
    private bool IsBehindReader(in CheckpointResult result) =>
        !result.Busy && result.HasRun && readLock.Position is { } mark && IsGenerationOf(mark) && result.BackfilledFrames < mark.MaxFrame;

    /// <summary>
    /// Behind a long reader the frames stay in the WAL whatever we do, and the write lock would gain nothing (trap C15). Most of what
    /// is in the way is gone in milliseconds, some of it stays for hours.
    /// </summary>
    private void RecordBlocked(bool blocked)
    {
        if (!blocked)
        {
            blockedSince = null;
            return;
        }

        DateTimeOffset now = time.GetUtcNow();
        blockedSince ??= now;
        noCheckpointBefore = now + (now - blockedSince < LongReader ? ShortBlockedPause : LongBlockedPause);
        Statistics.BackfillBlocked++;
    }

    private void TruncateIfLarge()
    {
        OpenWal();
        long pages = options.TruncatePageCount == 0 ? DefaultTruncatePageCount : options.TruncatePageCount;
        if (pages < 0 || wal is null || wal.FileLength < WalOffsets.EndOfFrame((uint)Math.Min(pages, uint.MaxValue), PageSize))
        {
            return;
        }

        // The file is what the limit bounds: a restart never shrinks it. Under a lock on slot 0 nothing can be lost: a frame
        // committed meanwhile cannot be backfilled, so the statement reports busy.
        logger.Write(LogLevel.Information, "forcing truncate checkpoint", ("wal_size", wal.FileLength), ("threshold", pages));
        long began = time.GetTimestamp();
        readLock.Checkpoint(CheckpointMode.Truncate, TimeSpan.Zero);
        Statistics.RecordCheckpoint(CheckpointMode.Truncate, time.GetElapsedTime(began));
    }
}
