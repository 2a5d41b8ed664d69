namespace Litestream.TestKit;

/// <summary>A clock on which every wait is over at once and is written down: for code that waits between attempts.</summary>
public sealed class InstantTimeProvider : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<TimeSpan> _waits = [];
    private DateTimeOffset _now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    /// <summary>Lengths of all waits so far.</summary>
    public IReadOnlyList<TimeSpan> Waits
    {
        get
        {
            lock (_gate)
            {
                return [.. _waits];
            }
        }
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
        {
            return _now;
        }
    }

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime < TimeSpan.Zero)
        {
            return new Timer(new Sink(callback), state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        lock (_gate)
        {
            _waits.Add(dueTime);
            _now += dueTime;
        }

        return new Timer(new Sink(callback), state, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    private sealed class Sink(TimerCallback callback)
    {
        internal void Fire(object? state) => callback(state);
    }

    private sealed class Timer : ITimer
    {
        private readonly System.Threading.Timer _timer;

        internal Timer(Sink sink, object? state, TimeSpan due, TimeSpan period) =>
            _timer = new System.Threading.Timer(sink.Fire, state, due, period);

        public bool Change(TimeSpan dueTime, TimeSpan period) =>
            _timer.Change(dueTime < TimeSpan.Zero ? Timeout.InfiniteTimeSpan : TimeSpan.Zero, Timeout.InfiniteTimeSpan);

        public void Dispose() => _timer.Dispose();

        public ValueTask DisposeAsync() => _timer.DisposeAsync();
    }
}
