namespace Litestream.Levels;

/// <summary>How long files are kept.</summary>
/// <param name="LevelZero">Age from which level-0 files may go once level 1 holds them; 0 or less = never (<c>l0-retention</c>).</param>
/// <param name="Snapshot">Back so far every level-1 boundary stays restorable; greater than 0 (<c>snapshot.retention</c>).</param>
/// <param name="Levels">
/// Per configured level, 1 first: age from which its files may go although no snapshot has replaced them, or null for never (decision D13).
/// </param>
internal sealed record RetentionRules(TimeSpan LevelZero, TimeSpan Snapshot, IReadOnlyList<TimeSpan?> Levels);
