namespace Litestream;

/// <summary>How one database is captured and replicated. Defaults are those of the configuration file (replication §1).</summary>
public sealed record DatabaseOptions
{
    /// <summary>Absolute path of the database file. It may not exist yet.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// State directory (<c>meta-path</c>); null = <c>.&lt;file&gt;-litestream</c> beside the database (replication §3).
    /// </summary>
    public string? MetaPath { get; init; }

    /// <summary>Polling interval where change notification does not work; 0 or less = never poll (decision D12). Default 1 s.</summary>
    public TimeSpan MonitorInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Checkpoint at least so often while captured frames are not yet in the database file; 0 or less = off. Default 1 min.</summary>
    public TimeSpan CheckpointInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>SQLite busy timeout of every connection. Default 1 s, millisecond resolution.</summary>
    public TimeSpan BusyTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Captured frames that make a checkpoint due; must be positive. Default 1000 (capped at 400 inside, replication §8.7 rule 7).</summary>
    public int MinCheckpointPageCount { get; init; } = 1000;

    /// <summary>Size of the WAL file in pages above which it is truncated when that is free; 0 = default 121359, negative = never.</summary>
    public long TruncatePageCount { get; init; } = 121359;

    /// <summary>WAL bytes that one pass puts in one L0 file; it is cut at a commit. 0 = unlimited. Default 64 MiB.</summary>
    public long MaxSyncWalBytes { get; init; } = 64L << 20;

    /// <summary>At most one upload in this time; the first change after quiet goes at once. Must be positive. Default 1 s.</summary>
    public TimeSpan SyncInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>L0 files uploaded before other callers get a turn; 0 = all. Default 256.</summary>
    public int MaxSyncLtxFiles { get; init; } = 256;

    /// <summary>Reset the local state by itself when a local LTX file is missing or damaged (replication §11). Default false.</summary>
    public bool AutoRecover { get; init; }

    /// <summary>How long the final upload is retried at shutdown; 0 = one attempt. Default 30 s.</summary>
    public TimeSpan ShutdownSyncTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Pause between those retries; must be positive. Default 500 ms.</summary>
    public TimeSpan ShutdownSyncInterval { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Age from which L0 files that level 1 holds are deleted, here and on the replica; 0 = never (store-and-restore §6.2). Default 5 min.</summary>
    public TimeSpan L0Retention { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Levels 1, 2, … of merged files, at most 8; empty = level 0 only, which is then never deleted. Default 30 s, 5 min, 1 h.
    /// </summary>
    public IReadOnlyList<LevelOptions> Levels { get; init; } =
        [new(TimeSpan.FromSeconds(30)), new(TimeSpan.FromMinutes(5)), new(TimeSpan.FromHours(1))];

    /// <summary>Time between full snapshots; must be positive. Default 24 h.</summary>
    public TimeSpan SnapshotInterval { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Back so far every level-1 boundary stays restorable; must be positive. Default 24 h.</summary>
    public TimeSpan SnapshotRetention { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How often the daemon verifies the replica; 0 or less = never (decision D17). Default never.</summary>
    public TimeSpan VerifyInterval { get; init; }

    /// <summary>Each of those runs reads one n-th of the replica, 1 to 10,000. Default 24.</summary>
    public int VerifyShare { get; init; } = 24;

    /// <summary>Each of those runs also restores the newest state and compares it with the database. Default false.</summary>
    public bool VerifyDeep { get; init; }

    /// <summary>Time of day (UTC) of the snapshots, for intervals of whole days; null = midnight (decision D13).</summary>
    public TimeSpan? SnapshotAt { get; init; }

    /// <summary>False = nothing is ever deleted on the replica; local files still are (store-and-restore §6.4). Default true.</summary>
    public bool RetentionEnabled { get; init; } = true;

    /// <summary>Expired L0 files are looked for at most so often; must be positive. Default 15 s.</summary>
    public TimeSpan L0RetentionCheckInterval { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Compare each merged file with its predecessor, on the known files. Default false.</summary>
    public bool VerifyCompaction { get; init; }

    /// <summary>How often the levels of a busy database are checked for gaps, on the known files; null = never.</summary>
    public TimeSpan? ValidationInterval { get; init; }

    /// <summary>Keep merged files in the state directory until they are merged again, so that merges need no download (decision D6). Default true.</summary>
    public bool LocalLevels { get; init; } = true;

    /// <summary>How often the replica of a busy database is listed and compared with what is known, ±10 %; 0 = never (decision D5). Default 1 h.</summary>
    public TimeSpan AuditInterval { get; init; } = TimeSpan.FromHours(1);

    /// <summary>The state directory in force.</summary>
    public string StateDirectory => MetaPath ?? DefaultStateDirectory(Path);

    /// <summary>The default state directory of a database path: <c>/d/app.db</c> gives <c>/d/.app.db-litestream</c>.</summary>
    public static string DefaultStateDirectory(string databasePath) =>
        System.IO.Path.Combine(
            System.IO.Path.GetDirectoryName(databasePath) ?? "/",
            "." + System.IO.Path.GetFileName(databasePath) + "-litestream");
}
