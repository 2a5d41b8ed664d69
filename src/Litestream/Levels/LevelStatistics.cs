namespace Litestream.Levels;

/// <summary>What the levels of one database have done and found; only ever counted up.</summary>
internal sealed class LevelStatistics
{
    /// <summary>Files merged into levels 1 to 8.</summary>
    public long Merges;

    /// <summary>Snapshots written on schedule.</summary>
    public long Snapshots;

    /// <summary>Merges, snapshots and deletions that failed.</summary>
    public long Failures;

    /// <summary>Files deleted on the replica.</summary>
    public long DeletedFiles;

    /// <summary>Merged files that do not continue their predecessor (<c>litestream_compaction_verify_error_count</c>).</summary>
    public long VerifyErrors;

    /// <summary>Missing, foreign or changed files found by audits.</summary>
    public long AuditFindings;

    /// <summary>Missing files that were uploaded again from local copies.</summary>
    public long HealedFiles;
}
