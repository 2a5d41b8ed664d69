namespace Litestream.Capture;

/// <summary>
/// When to look at the WAL. The first change after quiet is captured at once. While changes keep coming there is one pass per sync
/// interval and no wake-up for single commits; in between only the growth of the WAL is looked at, more often the faster it grows.
/// Pure arithmetic on times handed in.
/// </summary>
internal sealed class CaptureSchedule(TimeSpan syncInterval)
{
    private static readonly TimeSpan ShortestLook = TimeSpan.FromMilliseconds(2);

    private static readonly TimeSpan LongestLook = TimeSpan.FromMilliseconds(200);

    private DateTimeOffset lastAdvance;
    private DateTimeOffset lastLook;
    private uint lastFrames;
    private uint lastUncaptured;

    /// <summary>True between the first change and a sync interval without one.</summary>
    public bool IsActive { get; private set; }

    /// <summary>When the next pass is due although the WAL has not grown much, and with it the next file; in the past while all is quiet.</summary>
    public DateTimeOffset NextPassAt { get; private set; }

    /// <summary>
    /// True if frames wait for capture and no further one came since the last look: whoever wrote them has paused, or waits for our
    /// mark to move (an application's own RESTART or TRUNCATE does). They are captured now rather than at the end of the interval.
    /// </summary>
    public bool HasPaused { get; private set; }

    /// <summary>Pause before the next look at the WAL's growth.</summary>
    public TimeSpan Look { get; private set; } = LongestLook;

    /// <summary>Records that a pass ended.</summary>
    /// <param name="now">Current time.</param>
    /// <param name="advanced">True if it captured something.</param>
    public void RecordPass(DateTimeOffset now, bool advanced)
    {
        if (advanced)
        {
            IsActive = true;
            lastAdvance = now;
        }
        else if (IsActive && now - lastAdvance >= syncInterval)
        {
            IsActive = false;
        }

        if (IsActive && NextPassAt <= now)
        {
            NextPassAt = now + syncInterval;
        }
    }

    /// <summary>Records that a file was written: the next one is due an interval later, not before.</summary>
    public void RecordPublish(DateTimeOffset now) => NextPassAt = now + syncInterval;

    /// <summary>
    /// Records that the next commit restarts the WAL: it is looked for soon, then less and less often, since until the lock has moved behind it
    /// an application's TRUNCATE and the lock can wait for each other (§8.7 rule 5).
    /// </summary>
    public void ExpectRestart() => Look = ShortestLook;

    /// <summary>Records the frames that wait for a checkpoint or for capture, and adapts the pace of looking.</summary>
    /// <param name="now">Current time.</param>
    /// <param name="uncaptured">Frames waiting for capture.</param>
    /// <param name="frames">Frames waiting.</param>
    /// <param name="threshold">Frames that make a checkpoint due.</param>
    public void RecordFrames(DateTimeOffset now, uint uncaptured, uint frames, uint threshold)
    {
        HasPaused = uncaptured > 0 && uncaptured == lastUncaptured && now - lastLook >= LongestLook / 2;
        lastUncaptured = uncaptured;
        double seconds = (now - lastLook).TotalSeconds;
        if (frames > lastFrames && seconds > 0 && frames < threshold)
        {
            double rate = (frames - lastFrames) / seconds;
            Look = Clamp(TimeSpan.FromSeconds(Math.Min((threshold - frames) / rate, 1)));
        }
        else if (frames >= threshold)
        {
            Look = Clamp(Look / 2);
        }
        else
        {
            Look = Clamp(Look * 2);
        }

        lastLook = now;
        lastFrames = frames >= threshold ? 0 : frames;
    }

    private static TimeSpan Clamp(TimeSpan value) =>
        value < ShortestLook ? ShortestLook : value > LongestLook ? LongestLook : value;
}
