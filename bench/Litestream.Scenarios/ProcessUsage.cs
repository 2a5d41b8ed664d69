namespace Litestream.Scenarios;

/// <summary>Counters of a process at one moment: seconds of processor time by two clocks, bytes, calls.</summary>
internal readonly record struct ProcessUsage(
    double CpuTicksSeconds, double CpuScheduledSeconds, long ResidentBytes, long PeakBytes, long WriteCalls, long WrittenBytes)
{
    /// <summary>Percent of one core between two moments. The clock ticks of 10 ms hide short work, ended threads hide from the other clock.</summary>
    public static double CpuPercent(ProcessUsage from, ProcessUsage to, double seconds) =>
        100 * Math.Max(to.CpuTicksSeconds - from.CpuTicksSeconds, to.CpuScheduledSeconds - from.CpuScheduledSeconds) / seconds;
}
