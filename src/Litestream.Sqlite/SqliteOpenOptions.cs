namespace Litestream.Sqlite;

/// <summary>How a connection is opened.</summary>
public sealed record SqliteOpenOptions
{
    /// <summary>How long SQLite waits for somebody else's lock; 0 = not at all. Millisecond resolution, at most int.MaxValue ms.</summary>
    public TimeSpan BusyTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Create the database file when it is missing. Default: opening a missing file is an error.</summary>
    public bool Create { get; init; }

    /// <summary>Clock for waiting in steps (<see cref="SqliteConnection.TryBeginImmediate"/>).</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
