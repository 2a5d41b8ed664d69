using Litestream.Restore;

namespace Litestream.Follow;

/// <summary>Which file follows a replica, and how (store-and-restore §12).</summary>
public sealed record FollowOptions
{
    /// <summary>Interval when nothing else is asked for: 1 second.</summary>
    public static readonly TimeSpan DefaultInterval = TimeSpan.FromSeconds(1);

    /// <summary>Absolute path of the database that follows. Absent: it is restored first. Present: it is continued.</summary>
    public required string OutputPath { get; init; }

    /// <summary>How often to look for changes, also after errors; 0 or less = <see cref="DefaultInterval"/>.</summary>
    public TimeSpan Interval { get; init; } = DefaultInterval;

    /// <summary>Parallel reads, 1 to <see cref="RestoreOptions.MaxParallelism"/>; values outside are clamped. Default 8.</summary>
    public int Parallelism { get; init; } = RestoreOptions.DefaultParallelism;

    /// <summary>Check by SQLite after the first restore, before the database gets its name. Default none.</summary>
    public IntegrityCheckMode IntegrityCheck { get; init; }
}
