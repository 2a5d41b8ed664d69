using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Litestream.TestKit.Servers;

/// <summary>
/// A reverse proxy on the loopback interface in front of a storage server that speaks HTTP/1.1. It hands requests on byte for byte, the
/// <c>Host</c> header included, so that signatures stay valid: a client signs for the proxy's address. Only <c>Expect</c> is answered by
/// the proxy itself. What it does to requests beyond that is <see cref="FaultKind"/>, chosen by seed and rates or forced one by one.
/// </summary>
public sealed class FaultProxy : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly FaultProxyPlan _plan;
    private readonly ConcurrentQueue<FaultProxyExchange> _exchanges = new();
    private readonly ConcurrentDictionary<int, Task> _connections = new();
    private readonly Lock _gate = new();
    private readonly Task _listening;
    private Socket _listener;
    private long _refuseUntil;
    private int _accepted;
    private int _open;
    private int _peak;

    private FaultProxy(int storePort, FaultProxyOptions options)
    {
        StorePort = storePort;
        _plan = new FaultProxyPlan(options);
        Port = FreePorts.Take(1);
        _listener = Listen(Port);
        _listening = ListenAsync();
    }

    /// <summary>Port of the proxy on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>Port of the store on 127.0.0.1.</summary>
    public int StorePort { get; }

    /// <summary>Whether faults are drawn by rate; forced ones come in any case. True at the start.</summary>
    public bool IsOn
    {
        get => _plan.IsOn;
        set => _plan.IsOn = value;
    }

    /// <summary>How often each kind has been injected.</summary>
    public IReadOnlyDictionary<FaultKind, int> Hits => _plan.Hits;

    /// <summary>The requests so far, in the order of their ends. One is added when its answer has been sent: a client may be faster.</summary>
    public IReadOnlyList<FaultProxyExchange> Exchanges => [.. _exchanges];

    /// <summary>Connections accepted so far.</summary>
    public int Connections => Volatile.Read(ref _accepted);

    /// <summary>Most connections of clients that were open at one time.</summary>
    public int PeakConnections => Volatile.Read(ref _peak);

    /// <summary>Starts a proxy in front of a server on 127.0.0.1.</summary>
    /// <param name="storePort">Port of the server.</param>
    /// <param name="options">Behaviour; null = hands everything on.</param>
    public static FaultProxy Start(int storePort, FaultProxyOptions? options = null) => new(storePort, options ?? new FaultProxyOptions());

    /// <summary>Changes the rate of a kind.</summary>
    public void SetRate(FaultKind kind, double rate) => _plan.SetRate(kind, rate);

    /// <summary>The next request that matches gets this fault, once; several wait in their order.</summary>
    /// <param name="kind">The fault.</param>
    /// <param name="matches">Looks at method and target.</param>
    public void Force(FaultKind kind, Func<string, string, bool> matches) => _plan.Force(kind, matches);

    /// <summary>The next requests of a method whose target contains a text get this fault.</summary>
    /// <param name="kind">The fault.</param>
    /// <param name="method">E.g. <c>PUT</c>.</param>
    /// <param name="target">Part of path or query; empty = any.</param>
    /// <param name="times">Number of requests.</param>
    public void Force(FaultKind kind, string method, string target = "", int times = 1)
    {
        for (int i = 0; i < times; i++)
        {
            Force(kind, (m, t) => m == method && t.Contains(target, StringComparison.Ordinal));
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _listening;
        _listener.Dispose();
        await Task.WhenAll(_connections.Values);
        _stop.Dispose();
    }

    internal void Remember(FaultProxyExchange exchange)
    {
        _exchanges.Enqueue(exchange);
        if (_exchanges.Count > _plan.Options.MaxExchanges)
        {
            _exchanges.TryDequeue(out _);
        }
    }

    /// <summary>Refuses new connections for a while.</summary>
    internal void Refuse()
    {
        lock (_gate)
        {
            _refuseUntil = Environment.TickCount64 + (long)_plan.Options.RefusedTime.TotalMilliseconds;
            _listener.Dispose(); // Wakes the accept, which waits and listens again.
        }
    }

    private async Task ListenAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                Serve(await _listener.AcceptAsync(_stop.Token));
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                await ListenAgainAsync();
            }
        }
    }

    private async Task ListenAgainAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            long left;
            lock (_gate)
            {
                left = _refuseUntil - Environment.TickCount64;
                if (left <= 0)
                {
                    _listener.Dispose();
                    try
                    {
                        _listener = Listen(Port);
                        return;
                    }
                    catch (SocketException)
                    {
                        left = 5; // The kernel has not given the port back yet.
                    }
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(left), _stop.Token).ContinueWith(_ => { }, TaskScheduler.Default);
        }
    }

    private void Serve(Socket socket)
    {
        lock (_gate)
        {
            if (Environment.TickCount64 < _refuseUntil)
            {
                // It came while the port was being closed.
                socket.LingerState = new LingerOption(true, 0);
                socket.Dispose();
                return;
            }
        }

        socket.NoDelay = true;
        int number = Interlocked.Increment(ref _accepted);
        int open = Interlocked.Increment(ref _open);
        lock (_gate)
        {
            _peak = Math.Max(_peak, open);
        }

        // A task that has ended before it is listed stays in the list: the list is only for the end.
        _connections[number] = Task.Run(async () =>
        {
            using var connection = new FaultProxyConnection(this, _plan, number, socket, _stop.Token);
            await connection.ServeAsync();
            Interlocked.Decrement(ref _open);
            _connections.TryRemove(number, out _);
        });
    }

    private static Socket Listen(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            socket.Listen(512);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
