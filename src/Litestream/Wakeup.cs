namespace Litestream;

/// <summary>
/// A signal for one waiting loop: set from anywhere, any number of times, consumed by the next wait. One timer for its whole life;
/// nothing runs while nobody signals, and a time-out is not an exception.
/// </summary>
internal sealed class Wakeup : IDisposable
{
    private readonly Lock gate = new();
    private readonly ITimer timer;
    private TaskCompletionSource? waiter;
    private bool signalled;

    public Wakeup(TimeProvider time) =>
        timer = time.CreateTimer(static state => ((Wakeup)state!).Release(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    /// <summary>Wakes the loop, or makes its next wait return at once.</summary>
    public void Signal()
    {
        lock (gate)
        {
            signalled = true;
        }

        Release();
    }

    /// <summary>Waits for a signal or until the time is over.</summary>
    /// <returns>True if it was signalled.</returns>
    public async Task<bool> WaitAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TaskCompletionSource? wait = null;
        lock (gate)
        {
            if (!signalled && timeout != TimeSpan.Zero)
            {
                wait = waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }

        if (wait is not null)
        {
            timer.Change(timeout, Timeout.InfiniteTimeSpan);
            using (cancellationToken.UnsafeRegister(static state => ((Wakeup)state!).Release(), this))
            {
                await wait.Task.ConfigureAwait(false);
            }

            timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            cancellationToken.ThrowIfCancellationRequested();
        }

        lock (gate)
        {
            waiter = null;
            bool was = signalled;
            signalled = false;
            return was;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => timer.Dispose();

    private void Release()
    {
        TaskCompletionSource? wake;
        lock (gate)
        {
            wake = waiter;
        }

        wake?.TrySetResult();
    }
}
