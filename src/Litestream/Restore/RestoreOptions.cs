using Litestream.Ltx;

namespace Litestream.Restore;

/// <summary>How thoroughly the restored database is checked before it gets its name.</summary>
public enum IntegrityCheckMode
{
    /// <summary>Not by SQLite; page order, completeness and file checksums are always checked.</summary>
    None,

    /// <summary><c>PRAGMA quick_check</c>.</summary>
    Quick,

    /// <summary><c>PRAGMA integrity_check</c>.</summary>
    Full,
}

/// <summary>What to restore, and where to (store-and-restore §8).</summary>
public sealed record RestoreOptions
{
    /// <summary>Parallel range reads when nothing else is asked for.</summary>
    public const int DefaultParallelism = 8;

    /// <summary>Greatest accepted <see cref="Parallelism"/>; each costs one open file and about 2 MiB, over a network up to 4 connections and 6 MiB, at most 32 and 64 MiB in all.</summary>
    public const int MaxParallelism = 32;

    /// <summary>Absolute path of the database file to write.</summary>
    public required string OutputPath { get; init; }

    /// <summary>Restore up to and including this transaction; none = see <see cref="Timestamp"/>.</summary>
    public Txid TargetTxid { get; init; }

    /// <summary>Restore the last state whose file is strictly older than this time; null = the latest state.</summary>
    public DateTimeOffset? Timestamp { get; init; }

    /// <summary>Parallel reads and decoders, 1 to <see cref="MaxParallelism"/>; values outside are clamped. Default 8.</summary>
    public int Parallelism { get; init; } = DefaultParallelism;

    /// <summary>Check by SQLite on the temporary file. Default none.</summary>
    public IntegrityCheckMode IntegrityCheck { get; init; }

    /// <summary>Replace an existing database and its side files, once the new one is complete and verified.</summary>
    public bool Force { get; init; }

    /// <summary>
    /// Absolute path of an older or damaged copy with its side files: only the pages that differ are fetched (decision D1). It is only
    /// read, and may be <see cref="OutputPath"/>, which then is replaced at the end. Null = everything is fetched, no side files.
    /// </summary>
    public string? BasePath { get; init; }

    /// <summary>
    /// Refuse a <see cref="Timestamp"/> before the first or after the last file of the replica (replica URL given), instead of
    /// restoring the latest state for a time in the future (database from the configuration).
    /// </summary>
    public bool CheckTimestampBounds { get; init; }

    /// <summary>
    /// The database will follow its replica: LTX files only, and its header says rollback journal, so that no reader ever opens it in
    /// WAL mode, whose lock would keep later changes out (store-and-restore §12 F1).
    /// </summary>
    internal bool IsFollowed { get; init; }

    /// <summary>Called with the restored transaction when everything is complete and verified, just before the file gets its name.</summary>
    internal Action<Txid>? BeforePublish { get; init; }
}
