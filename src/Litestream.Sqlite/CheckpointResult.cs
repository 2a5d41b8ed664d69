namespace Litestream.Sqlite;

/// <summary>The answer of a checkpoint, as the row of <c>PRAGMA wal_checkpoint</c> gives it.</summary>
/// <param name="Busy">Somebody's lock was in the way: another checkpointer, or for modes above PASSIVE a reader or writer.</param>
/// <param name="LogFrames">Frames in the WAL; -1 when the checkpoint did not run (busy, or no WAL mode).</param>
/// <param name="BackfilledFrames">Frames that are in the database file now; -1 when it did not run.</param>
public readonly record struct CheckpointResult(bool Busy, int LogFrames, int BackfilledFrames)
{
    /// <summary>The checkpoint looked at the WAL at all; OK with -1 frames is no answer (replication §8.7 rule 5).</summary>
    public bool HasRun => LogFrames >= 0 && BackfilledFrames >= 0;

    /// <summary>Every frame is in the database file.</summary>
    public bool IsComplete => !Busy && HasRun && LogFrames == BackfilledFrames;
}
