using Litestream.Storage;

namespace Litestream.Levels;

/// <summary>What may be deleted now.</summary>
/// <param name="Files">
/// In the order in which they have to go, greatest transaction first: whatever is left at any moment, between two requests or after a
/// crash, never depends on a file that has gone.
/// </param>
/// <param name="NextDue">When, without any new file, the next one can go; null if that never happens by itself.</param>
internal sealed record RetentionPlan(IReadOnlyList<LtxFileInfo> Files, DateTimeOffset? NextDue);
