namespace Litestream;

/// <summary>Doubling pauses after failures, and when to say so again (replication §9). Owned by one loop.</summary>
internal sealed class Backoff(TimeSpan initial, TimeProvider time)
{
    private static readonly TimeSpan Maximum = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(30);

    private DateTimeOffset lastLog = DateTimeOffset.MinValue;

    /// <summary>Failures since the last success.</summary>
    public int ConsecutiveErrors { get; private set; }

    /// <summary>The pause that follows the last failure.</summary>
    public TimeSpan Delay { get; private set; }

    /// <summary>Records a failure.</summary>
    /// <returns>True if it should be logged: the first at once, then one in 30 seconds.</returns>
    public bool Fail()
    {
        ConsecutiveErrors++;
        Delay = Delay == TimeSpan.Zero ? initial : TimeSpan.FromTicks(Math.Min(Delay.Ticks * 2, Maximum.Ticks));
        DateTimeOffset now = time.GetUtcNow();
        if (now - lastLog < LogInterval)
        {
            return false;
        }

        lastLog = now;
        return true;
    }

    /// <summary>Records a success.</summary>
    /// <returns>The number of failures it ended; 0 if there were none.</returns>
    public int Succeed()
    {
        int ended = ConsecutiveErrors;
        ConsecutiveErrors = 0;
        Delay = TimeSpan.Zero;
        lastLog = DateTimeOffset.MinValue;
        return ended;
    }
}
