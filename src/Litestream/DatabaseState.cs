namespace Litestream;

/// <summary>Where a database stands.</summary>
public enum DatabaseState
{
    /// <summary>Not started, or closed.</summary>
    Stopped,

    /// <summary>There is no database file yet, or it is empty.</summary>
    NoDatabase,

    /// <summary>Opened; the read lock is held and commits are captured.</summary>
    Replicating,

    /// <summary>The last attempt failed; it is tried again.</summary>
    Failing,

    /// <summary>Another process writes to the replica. Nothing more is done until the process is restarted.</summary>
    SecondWriter,
}
