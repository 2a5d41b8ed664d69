using Litestream.Follow;

namespace Litestream.Tests.Follow;

/// <summary>A follower that is running in this process.</summary>
internal sealed class FollowerRun : IProgress<FollowProgress>, IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly List<FollowProgress> _applied = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal FollowerRun(Follower follower, FollowOptions options) =>
        Task = System.Threading.Tasks.Task.Run(() => follower.RunAsync(options, null, this, _stop.Token));

    /// <summary>Ends when the follower does.</summary>
    internal Task Task { get; }

    internal IReadOnlyList<FollowProgress> Applied
    {
        get
        {
            lock (_gate)
            {
                return [.. _applied];
            }
        }
    }

    public void Report(FollowProgress value)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            _applied.Add(value);
            changed = _changed;
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.SetResult();
    }

    /// <summary>Waits until a transaction is visible.</summary>
    internal async Task ReachAsync(ulong txid)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_applied.Count > 0 && _applied[^1].To.Value >= txid)
                {
                    return;
                }

                changed = _changed.Task;
            }

            await (await System.Threading.Tasks.Task.WhenAny(changed, Task).WaitAsync(Patience));
            Assert.False(Task.IsCompleted, "the follower ended");
        }
    }

    /// <summary>Ends it as a signal does.</summary>
    internal async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WaitAsync(Patience);
    }

    /// <summary>Waits for its end by an error.</summary>
    internal Task<FollowException> FailAsync() => Assert.ThrowsAsync<FollowException>(() => Task.WaitAsync(Patience));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
