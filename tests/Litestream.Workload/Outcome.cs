namespace Litestream.Workload;

/// <summary>How one transaction ended.</summary>
internal enum Outcome
{
    /// <summary>The commit returned success: from now on it must never be lost.</summary>
    Committed,

    /// <summary>Rolled back on purpose, or work outside a transaction.</summary>
    Nothing,

    /// <summary>SQLITE_BUSY: somebody held a lock for longer than the time-out.</summary>
    Busy,
}
