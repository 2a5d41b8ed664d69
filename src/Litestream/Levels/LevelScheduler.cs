namespace Litestream.Levels;

/// <summary>
/// Gives the levels of all databases their turns: a queue by due time, one timer for all of them, and bounded slots in the order of
/// asking. A database without work is not in the queue. Snapshots have slots of their own, so that long ones do not delay merges; one
/// database has one turn at a time, so that its snapshot and its merges do not hold their memory together (trap C22).
/// </summary>
internal sealed class LevelScheduler : IDisposable
{
    /// <summary>Merges and deletions at the same time: mostly waiting for the stores, which must not make others wait.</summary>
    private const int LightSlots = 16;

    /// <summary>Snapshots at the same time: each holds a read transaction and a few MiB.</summary>
    private const int HeavySlots = 8;

    private readonly TimeProvider time;
    private readonly ITimer timer;
    private readonly SemaphoreSlim light = new(LightSlots);
    private readonly SemaphoreSlim heavy = new(HeavySlots);
    private readonly Lock gate = new();

    // By monotonic time: a clock that is set back must not put turns off. What is due is decided by the keeper, by the clock.
    private readonly PriorityQueue<Turn, long> queue = new();
    private bool isDisposed;

    /// <summary>Creates an empty scheduler.</summary>
    public LevelScheduler(TimeProvider time)
    {
        this.time = time;
        timer = time.CreateTimer(static state => ((LevelScheduler)state!).Dispatch(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Gives a database its turns from now on, until it is stopped.</summary>
    public void Attach(LevelKeeper keeper)
    {
        var turn = new Turn(keeper);
        keeper.Changed = () => Schedule(turn);
        Schedule(turn);
    }

    /// <summary>A database that has left gets no turn any more, and is not kept in memory until its next one was due.</summary>
    public void Detach(LevelKeeper keeper)
    {
        keeper.Changed = null;
        lock (gate)
        {
            foreach ((Turn turn, _) in queue.UnorderedItems.Where(item => item.Element.Keeper == keeper).ToArray())
            {
                queue.Remove(turn, out _, out _);
            }

            if (!isDisposed)
            {
                ArmTimer();
            }
        }
    }

    /// <summary>No further turns.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            isDisposed = true;
            queue.Clear();
        }

        timer.Dispose();
        light.Dispose();
        heavy.Dispose();
    }

    private void Schedule(Turn turn)
    {
        lock (gate)
        {
            if (isDisposed || turn.IsRunning || turn.Keeper.NextDue() is not { } due)
            {
                return;
            }

            long at = time.GetTimestamp() + (long)(Math.Max(0, (due - time.GetUtcNow()).TotalSeconds) * time.TimestampFrequency);
            if (at >= turn.At)
            {
                return;
            }

            turn.At = at;
            queue.Enqueue(turn, at);
            ArmTimer();
        }
    }

    /// <summary>Called under the lock.</summary>
    private void ArmTimer()
    {
        // A turn that was moved forward is in the queue twice; the old place is stale.
        while (queue.TryPeek(out Turn? turn, out long at) && turn.At != at)
        {
            queue.Dequeue();
        }

        if (queue.TryPeek(out _, out long next))
        {
            TimeSpan wait = time.GetElapsedTime(time.GetTimestamp(), next);

            // A timer counts whole milliseconds and must not fire before its time.
            timer.Change(wait > TimeSpan.Zero ? wait + TimeSpan.FromMilliseconds(1) : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
        else
        {
            timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private void Dispatch()
    {
        lock (gate)
        {
            if (isDisposed)
            {
                return;
            }

            long now = time.GetTimestamp();
            while (queue.TryPeek(out Turn? turn, out long at) && at <= now)
            {
                queue.Dequeue();
                if (turn.At == at)
                {
                    turn.At = long.MaxValue;
                    turn.IsRunning = true;
                    _ = RunAsync(turn);
                }
            }

            ArmTimer();
        }
    }

    private async Task RunAsync(Turn turn)
    {
        try
        {
            CancellationToken stopping = turn.Keeper.Stopping;
            await InSlotAsync(light, turn.Keeper.RunAsync, stopping).ConfigureAwait(false);
            if (turn.Keeper.IsSnapshotDue())
            {
                await InSlotAsync(heavy, turn.Keeper.SnapshotAsync, stopping).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // The database or the process is closing.
        }
        finally
        {
            lock (gate)
            {
                turn.IsRunning = false;
            }
        }

        Schedule(turn);
    }

    private static async Task InSlotAsync(SemaphoreSlim slots, Func<CancellationToken, Task> work, CancellationToken stopping)
    {
        await slots.WaitAsync(stopping).ConfigureAwait(false);
        try
        {
            await Task.Run(() => work(stopping), stopping).ConfigureAwait(false);
        }
        finally
        {
            slots.Release();
        }
    }

    private sealed class Turn(LevelKeeper keeper)
    {
        public LevelKeeper Keeper => keeper;

        /// <summary>Monotonic time of the next turn; the greatest value while none is planned.</summary>
        public long At { get; set; } = long.MaxValue;

        public bool IsRunning { get; set; }
    }
}
