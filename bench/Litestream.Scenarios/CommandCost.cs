namespace Litestream.Scenarios;

/// <summary>What one finished command cost: milliseconds of wall and processor time, peak resident bytes.</summary>
internal readonly record struct CommandCost(double WallMilliseconds, double CpuMilliseconds, long PeakBytes);
