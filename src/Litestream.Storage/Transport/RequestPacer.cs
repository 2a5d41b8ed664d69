namespace Litestream.Storage.Transport;

/// <summary>
/// Limits the requests of a process (<c>max-requests-per-second</c>, decision D39): a bucket of tokens that holds one second's worth.
/// Waiters are served in order of arrival.
/// </summary>
/// <param name="requestsPerSecond">Rate and burst; 0 = no limit.</param>
/// <param name="time">Clock.</param>
public sealed class RequestPacer(int requestsPerSecond, TimeProvider time)
{
    private readonly Lock gate = new();

    // Time at which the bucket was or will be full again, in ticks; every request moves it one interval further.
    private long fullAt = long.MinValue;

    /// <summary>Waits until one more request may be sent.</summary>
    /// <param name="cancellationToken">Ends the wait; its token is lost.</param>
    public ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        if (requestsPerSecond <= 0)
        {
            return ValueTask.CompletedTask;
        }

        TimeSpan wait;
        lock (gate)
        {
            long now = time.GetUtcNow().UtcTicks;
            fullAt = Math.Max(fullAt, now) + (TimeSpan.TicksPerSecond / requestsPerSecond);
            wait = TimeSpan.FromTicks(fullAt - now - TimeSpan.TicksPerSecond);
        }

        return wait <= TimeSpan.Zero ? ValueTask.CompletedTask : new ValueTask(Task.Delay(wait, time, cancellationToken));
    }
}
