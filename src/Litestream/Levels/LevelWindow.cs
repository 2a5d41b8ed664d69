namespace Litestream.Levels;

/// <summary>
/// The windows in which a level gets at most one file. They are aligned to 0001-01-01T00:00:00Z and not to the Unix epoch
/// (store-and-restore §2, trap C1): two processes, and one before and after its restart, agree on them.
/// </summary>
internal static class LevelWindow
{
    /// <summary>Start of the window that holds a moment; a moment on a boundary starts its own window.</summary>
    /// <param name="now">The moment.</param>
    /// <param name="interval">Length of the windows, greater than 0.</param>
    /// <param name="shift">Moves all boundaries later, less than the interval (decision D13).</param>
    public static DateTimeOffset Start(DateTimeOffset now, TimeSpan interval, TimeSpan shift = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(interval, TimeSpan.Zero);
        long ticks = now.UtcTicks - shift.Ticks;

        // Negative only in the first window of the calendar, which no file can be older than.
        long start = ticks < 0 ? 0 : ticks - (ticks % interval.Ticks) + shift.Ticks;
        return new DateTimeOffset(start, TimeSpan.Zero);
    }

    /// <summary>The first boundary after a moment.</summary>
    /// <param name="now">The moment.</param>
    /// <param name="interval">Length of the windows, greater than 0.</param>
    /// <param name="shift">Moves all boundaries later, less than the interval.</param>
    public static DateTimeOffset Next(DateTimeOffset now, TimeSpan interval, TimeSpan shift = default)
    {
        DateTimeOffset start = Start(now, interval, shift);
        return DateTimeOffset.MaxValue - start > interval ? start + interval : DateTimeOffset.MaxValue;
    }
}
