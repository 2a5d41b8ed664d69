using Litestream.Ltx;
using Litestream.Restore;

namespace Litestream.Verify;

/// <summary>What a verification of a replica found.</summary>
public sealed record VerifyReport
{
    /// <summary>The newest transaction to which a chain of files leads that were all read and found intact; none if there is no such chain.</summary>
    public Txid Proven { get; init; }

    /// <summary>Time of that transaction's file; null without one.</summary>
    public DateTimeOffset? ProvenTime { get; init; }

    /// <summary>When it was proven: the time at which the file of the chain was read that was read longest ago.</summary>
    public DateTimeOffset ProvenAt { get; init; }

    /// <summary>When this run ended.</summary>
    public DateTimeOffset FinishedAt { get; init; }

    /// <summary>Newest transaction that the replica says it holds.</summary>
    public Txid Newest { get; init; }

    /// <summary>Files read in this run.</summary>
    public int FilesRead { get; init; }

    /// <summary>Bytes read in this run.</summary>
    public long BytesRead { get; init; }

    /// <summary>Files on the replica.</summary>
    public int FilesTotal { get; init; }

    /// <summary>Bytes on the replica.</summary>
    public long BytesTotal { get; init; }

    /// <summary>Damaged, misplaced and missing files that remain, also those found by earlier runs of a rolling verification.</summary>
    public IReadOnlyList<VerifyFinding> Damaged { get; init; } = [];

    /// <summary>Files that could not be read. Nothing is said about them.</summary>
    public IReadOnlyList<VerifyFinding> Unreadable { get; init; } = [];

    /// <summary>Files that were put back.</summary>
    public IReadOnlyList<VerifyFinding> Repaired { get; init; } = [];

    /// <summary>Transactions that could be restored without the damage, ascending; between two ranges lies a point that still can.</summary>
    public IReadOnlyList<TxidRange> Lost { get; init; } = [];

    /// <summary>What the check of a restored copy found wrong; null if it was right or not asked for.</summary>
    public string? DeepProblem { get; init; }

    /// <summary>True if a copy was restored, checked by SQLite and found right.</summary>
    public bool DeepChecked { get; init; }

    /// <summary>True if that copy was also compared with the database, page by page.</summary>
    public bool ComparedWithDatabase { get; init; }

    /// <summary>Whether anything is wrong with the replica.</summary>
    public bool IsDamaged => Damaged.Count > 0 || Lost.Count > 0 || DeepProblem is not null;

    /// <summary>
    /// Whether a new snapshot helps: the newest state can no longer be restored, or the newest snapshot is damaged. Older damage stays as
    /// it is.
    /// </summary>
    public bool NeedsSnapshot { get; init; }

    /// <summary>One word for it: <c>proven</c>, <c>damaged</c>, or <c>failed</c> when something could not be checked.</summary>
    public string Result => IsDamaged ? "damaged" : Unreadable.Count > 0 ? "failed" : "proven";
}
