using Litestream.Ltx;

namespace Litestream;

/// <summary>A view of one database at one moment, for status output, metrics and tests.</summary>
/// <param name="Path">Database file as configured.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Txid">Newest local transaction; 0 before the first.</param>
/// <param name="ReplicaTxid">Newest transaction known to be on the replica; null while unknown.</param>
/// <param name="LastSyncAt">When the replica last held everything captured.</param>
/// <param name="LastError">Text of the last failure; null after a success.</param>
/// <param name="ConsecutiveErrors">Failures since the last success.</param>
/// <param name="SyncCount">Passes attempted.</param>
/// <param name="SyncErrorCount">Passes failed.</param>
/// <param name="TotalWalBytes">WAL bytes read into level 0.</param>
/// <param name="CheckpointCount">PASSIVE checkpoints run.</param>
/// <param name="WriteLockCount">How often the write lock was taken because writers never paused.</param>
/// <param name="LongestWriteLock">Longest time the write lock was held at once.</param>
/// <param name="BackfillBlocked">How often an older reader kept a due checkpoint from emptying the WAL.</param>
/// <param name="UploadedFiles">Level-0 files uploaded.</param>
/// <param name="Verification">Result of the last verification of the replica; null before the first.</param>
public sealed record DatabaseStatus(
    string Path,
    DatabaseState State,
    Txid Txid,
    Txid? ReplicaTxid,
    DateTimeOffset? LastSyncAt,
    string? LastError,
    int ConsecutiveErrors,
    long SyncCount,
    long SyncErrorCount,
    long TotalWalBytes,
    long CheckpointCount,
    long WriteLockCount,
    TimeSpan LongestWriteLock,
    long BackfillBlocked,
    long UploadedFiles,
    Verify.VerificationStatus? Verification = null);
