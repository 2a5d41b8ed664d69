using Litestream.Sqlite;

namespace Litestream.Capture;

/// <summary>Counters of one database, written by its owner and read by whoever reports them.</summary>
internal sealed class CheckpointStatistics
{
    /// <summary>WAL bytes captured.</summary>
    public long WalBytes { get; set; }

    /// <summary>PASSIVE statements executed.</summary>
    public long PassiveCount { get; private set; }

    /// <summary>TRUNCATE statements executed.</summary>
    public long TruncateCount { get; private set; }

    /// <summary>Time spent in checkpoint statements.</summary>
    public TimeSpan CheckpointTime { get; private set; }

    /// <summary>How often the write lock was taken because writers never paused (§8.7 rule 4).</summary>
    public long WriteLockCount { get; private set; }

    /// <summary>Longest time the write lock was held at once.</summary>
    public TimeSpan LongestWriteLock { get; private set; }

    /// <summary>How often a checkpoint was due but an older reader kept the frames in the WAL (trap C15).</summary>
    public long BackfillBlocked { get; set; }

    /// <summary>Counts a checkpoint statement.</summary>
    public void RecordCheckpoint(CheckpointMode mode, TimeSpan elapsed)
    {
        CheckpointTime += elapsed;
        if (mode == CheckpointMode.Truncate)
        {
            TruncateCount++;
        }
        else
        {
            PassiveCount++;
        }
    }

    /// <summary>Counts one use of the write lock.</summary>
    public void RecordWriteLock(TimeSpan elapsed)
    {
        WriteLockCount++;
        if (elapsed > LongestWriteLock)
        {
            LongestWriteLock = elapsed;
        }
    }
}
