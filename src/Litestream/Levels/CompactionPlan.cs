using Litestream.Storage;

namespace Litestream.Levels;

/// <summary>What to do for one level now.</summary>
/// <param name="Sources">Files of the level below to merge into one, oldest first; empty if there is nothing to merge.</param>
/// <param name="Gap">Transactions that are missing behind the sources (or before anything can be merged) and that no snapshot covers.</param>
/// <param name="IsWaitingForSnapshot">True if the level is empty and starts behind the first snapshot, which does not exist yet (decision D4).</param>
internal sealed record CompactionPlan(IReadOnlyList<LtxFileInfo> Sources, TxidRange? Gap = null, bool IsWaitingForSnapshot = false)
{
    /// <summary>Nothing to do.</summary>
    public static CompactionPlan Nothing { get; } = new([]);
}
