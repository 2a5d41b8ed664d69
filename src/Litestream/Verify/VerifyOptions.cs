namespace Litestream.Verify;

/// <summary>What to verify, and how much of it (decision D16).</summary>
public sealed record VerifyOptions
{
    /// <summary>Greatest accepted <see cref="Share"/>.</summary>
    public const int MaxShare = 10_000;

    /// <summary>
    /// The database whose replica it is: its state directory holds the memory between runs and the newest local transaction, its
    /// settings say which points are promised. Null = a replica of which nothing else is known; it is always read whole.
    /// </summary>
    public DatabaseOptions? Database { get; init; }

    /// <summary>Read one n-th of the replica's bytes in this run, 1 to <see cref="MaxShare"/>; 1 = all. Ignored without a database.</summary>
    public int Share { get; init; } = 1;

    /// <summary>Put damaged and missing files back where verified local files or other levels still hold their pages. Default false.</summary>
    public bool Repair { get; init; }

    /// <summary>
    /// Directory for a database that is restored, checked by SQLite and removed again; null = no such check. Needs room for the database.
    /// </summary>
    public string? ScratchDirectory { get; init; }

    /// <summary>
    /// True if a running daemon uploads what the state directory holds: a transaction of the last minute that is not on the replica
    /// yet is no damage then. Default false.
    /// </summary>
    public bool UploadsRun { get; init; }

    /// <summary>Files read at the same time, 1 to 32; values outside are clamped. Each costs about 1 MiB. Default 4.</summary>
    public int Parallelism { get; init; } = 4;
}
