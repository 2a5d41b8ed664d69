namespace Litestream.Storage.Sftp;

/// <summary>
/// Connections for one kind of work, made when they are needed and ended when they have not been for a while. A further one is opened
/// when the others are busy; nobody waits for it.
/// </summary>
internal sealed class SftpLaneGroup : IDisposable
{
    /// <summary>Most connections of a group.</summary>
    internal const int MaxLanes = 2;

    private const int BusyUsers = 6;

    private static readonly TimeSpan IdleLife = TimeSpan.FromSeconds(90);

    private readonly Lock _gate = new();
    private readonly List<SftpLane> _lanes = [];
    private readonly Func<CancellationToken, Task<SftpLane>> _connect;
    private readonly ITimer _idle;
    private readonly CancellationTokenSource _closing = new();
    private Task<SftpLane>? _connecting;
    private bool _disposed;

    internal SftpLaneGroup(Func<CancellationToken, Task<SftpLane>> connect, TimeProvider time)
    {
        _connect = connect;
        _idle = time.CreateTimer(static state => ((SftpLaneGroup)state!).CloseIdle(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>A connection to use until the lease is disposed.</summary>
    internal async Task<SftpLease> RentAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task<SftpLane> connecting;
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                RemoveUnusable();
                SftpLane? best = _lanes.MinBy(lane => lane.Users);
                if (best is null || (best.Users >= BusyUsers && _lanes.Count < MaxLanes))
                {
                    _connecting ??= ConnectAsync();
                }

                if (best is not null)
                {
                    best.Users++;
                    return new SftpLease(this, best);
                }

                connecting = _connecting!;
            }

            await connecting.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Gives a use back.</summary>
    /// <param name="lane">The connection.</param>
    /// <param name="retire">True if it shall not be used again.</param>
    internal void Return(SftpLane lane, bool retire)
    {
        lock (_gate)
        {
            lane.Users--;
            lane.Retired |= retire;
            if (lane.Users == 0 && (lane.Retired || _disposed))
            {
                lane.Close();
            }

            RemoveUnusable();
            if (_lanes.All(each => each.Users == 0) && !_disposed)
            {
                _idle.Change(IdleLife, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _closing.Cancel();
            foreach (SftpLane lane in _lanes)
            {
                lane.Close();
            }

            _lanes.Clear();
        }

        _idle.Dispose();
    }

    private async Task<SftpLane> ConnectAsync()
    {
        // Not under the gate, and not bound to the caller that happened to be first.
        await Task.Yield();
        try
        {
            SftpLane lane = await _connect(_closing.Token).ConfigureAwait(false);
            lock (_gate)
            {
                if (_disposed)
                {
                    lane.Close();
                    throw new ObjectDisposedException(nameof(SftpLaneGroup));
                }

                _lanes.Add(lane);
            }

            return lane;
        }
        finally
        {
            lock (_gate)
            {
                _connecting = null;
            }
        }
    }

    private void CloseIdle()
    {
        lock (_gate)
        {
            foreach (SftpLane lane in _lanes.Where(each => each.Users == 0))
            {
                lane.Close();
            }

            RemoveUnusable();
        }
    }

    private void RemoveUnusable()
    {
        for (int i = _lanes.Count - 1; i >= 0; i--)
        {
            if (!_lanes[i].IsUsable)
            {
                if (_lanes[i].Users == 0 || !_lanes[i].Retired)
                {
                    _lanes[i].Close();
                }

                _lanes.RemoveAt(i);
            }
        }
    }
}
