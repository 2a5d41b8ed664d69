namespace Litestream.Restore;

/// <summary>Points of a v0.3 generation, which knows times and no transactions (store-and-restore §13).</summary>
/// <param name="Generation">Its name.</param>
/// <param name="From">Time of its first snapshot.</param>
/// <param name="To">Time of the last file that can be restored.</param>
/// <param name="Count">Points: snapshots and WAL segments.</param>
/// <param name="Lost">Files that cannot be used: before the first snapshot, or behind a WAL file whose beginning is missing.</param>
public sealed record GenerationRange(string Generation, DateTimeOffset From, DateTimeOffset To, int Count, int Lost);
