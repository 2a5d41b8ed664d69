namespace Litestream.Sqlite;

/// <summary>Modes of <c>sqlite3_wal_checkpoint_v2</c>, with its numbers.</summary>
public enum CheckpointMode
{
    /// <summary>Backfill what no reader forbids; waits for nobody.</summary>
    Passive = 0,

    /// <summary>Wait for writers and readers, then backfill everything.</summary>
    Full = 1,

    /// <summary>Like full, and the next writer starts the WAL again.</summary>
    Restart = 2,

    /// <summary>Like restart, and the WAL file is cut to zero bytes.</summary>
    Truncate = 3,
}
