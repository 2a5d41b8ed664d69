namespace Litestream.Restore;

/// <summary>Why there is nothing to restore.</summary>
public enum RestoreUnavailableReason
{
    /// <summary>The replica holds no backup at all: the one benign case (store-and-restore §8, trap P14).</summary>
    EmptyReplica,

    /// <summary>The replica holds files, but none of them begins at transaction 1: its start is damaged or gone.</summary>
    NoValidStart,

    /// <summary>The asked transaction is not the end of any file that can be reached.</summary>
    TransactionNotAvailable,

    /// <summary>No usable file is older than the asked time.</summary>
    NothingBeforeTimestamp,

    /// <summary>The asked time is before the first or after the last backup.</summary>
    TimestampOutOfRange,

    /// <summary>A time was asked of a replica without any backup.</summary>
    NoBackupsFound,

    /// <summary>A v0.3 replica has no snapshot at or before the asked time.</summary>
    NoSnapshots,
}

/// <summary>
/// There is no backup as asked. The message is the text that scripts of existing users look for; <see cref="Detail"/> says more.
/// </summary>
public sealed class RestoreUnavailableException(RestoreUnavailableReason reason, string? detail = null)
    : Exception(reason == RestoreUnavailableReason.EmptyReplica && detail is not null ? $"{TextOf(reason)}: {detail}" : TextOf(reason))
{
    /// <summary>The case.</summary>
    public RestoreUnavailableReason Reason { get; } = reason;

    /// <summary>What was found instead and what to do next, or null.</summary>
    public string? Detail { get; } = detail;

    private static string TextOf(RestoreUnavailableReason reason) => reason switch
    {
        RestoreUnavailableReason.TimestampOutOfRange => "timestamp does not exist",
        RestoreUnavailableReason.NoBackupsFound => "no backups found",
        RestoreUnavailableReason.NoSnapshots => "no snapshots available",
        _ => "no matching backup files available",
    };
}
