namespace Litestream;

/// <summary>One level of merged files.</summary>
/// <param name="Interval">Length of its windows; at most one file is written in each. Must be positive.</param>
/// <param name="Retention">
/// Age from which its files go once the next level holds them and no promised point needs them; null = with the snapshots (decision D13).
/// </param>
public sealed record LevelOptions(TimeSpan Interval, TimeSpan? Retention = null);
