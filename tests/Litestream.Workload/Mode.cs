namespace Litestream.Workload;

/// <summary>What the program does.</summary>
internal enum Mode
{
    /// <summary>One-row transactions, as many a second as asked or flat out.</summary>
    Steady,

    /// <summary>Everything an application does: inserts, updates, deletes, spilled transactions, rollbacks, savepoints, VACUUM, schema changes.</summary>
    Random,

    /// <summary>No application but a nuisance: checkpoints of all modes at random moments.</summary>
    Hostile,

    /// <summary>Transactions that change many pages so that a torn state shows, and the size of the database.</summary>
    Pair,

    /// <summary>Reads what <see cref="Pair"/> wrote and says when it is torn.</summary>
    Read,
}
