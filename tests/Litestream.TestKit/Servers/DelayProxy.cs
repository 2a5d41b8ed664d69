using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace Litestream.TestKit.Servers;

/// <summary>
/// A TCP proxy on the loopback interface that delivers every byte a fixed time later, in both directions, without narrowing the
/// bandwidth: a server far away. It counts connections and can break them.
/// </summary>
public sealed class DelayProxy : IAsyncDisposable
{
    private const int BufferSize = 256 << 10;
    private const int MaxBuffers = 256; // In flight per direction; more than any window in use.

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly List<Socket> _sockets = [];
    private readonly int _target;
    private readonly TimeSpan _delay;
    private readonly Task _accepting;
    private int _connections;
    private int _open;
    private int _peak;
    private long _toServer;
    private volatile TaskCompletionSource _frozen = new();

    /// <summary>Starts to listen.</summary>
    /// <param name="target">Port of the server on the loopback interface.</param>
    /// <param name="delay">Time that each byte takes in each direction: half of a round trip.</param>
    public DelayProxy(int target, TimeSpan delay)
    {
        (_target, _delay) = (target, delay);
        _frozen.SetResult();
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Port to connect to instead of the server's.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections accepted so far.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>Most connections that were open at a time.</summary>
    public int PeakConnections
    {
        get
        {
            lock (_gate)
            {
                return _peak;
            }
        }
    }

    /// <summary>Bytes sent by clients so far.</summary>
    public long BytesToServer => Interlocked.Read(ref _toServer);

    /// <summary>Lets nothing pass any more, without breaking a connection: a server that hangs.</summary>
    public void Freeze() => _frozen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Lets everything pass again.</summary>
    public void Thaw() => _frozen.TrySetResult();

    /// <summary>Breaks all connections with a reset. New ones are accepted.</summary>
    public void Break()
    {
        lock (_gate)
        {
            foreach (Socket socket in _sockets)
            {
                socket.LingerState = new LingerOption(true, 0);
                socket.Dispose();
            }

            _sockets.Clear();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        Break();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                Socket client = await _listener.AcceptSocketAsync(_stop.Token);
                Interlocked.Increment(ref _connections);
                _ = ServeAsync(client);
            }
            catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // Stopped, or the client is gone again.
            }
        }
    }

    private async Task ServeAsync(Socket client)
    {
        var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.NoDelay = true;
        lock (_gate)
        {
            _sockets.Add(client);
            _sockets.Add(server);
        }

        try
        {
            await server.ConnectAsync(new IPEndPoint(IPAddress.Loopback, _target), _stop.Token);
            await Task.WhenAll(PumpAsync(client, server, upwards: true), PumpAsync(server, client, upwards: false));
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // One side is gone: the other one gets to know.
        }

        lock (_gate)
        {
            _sockets.Remove(client);
            _sockets.Remove(server);
        }

        client.Dispose();
        server.Dispose();
    }

    private async Task PumpAsync(Socket from, Socket to, bool upwards)
    {
        var pipe = Channel.CreateBounded<(byte[] Bytes, int Count, long At)>(MaxBuffers);
        Task sending = SendAsync(pipe.Reader, to);
        CountOpen(upwards ? 1 : 0);
        try
        {
            while (!sending.IsCompleted)
            {
                byte[] buffer = new byte[BufferSize];
                int count = await from.ReceiveAsync(buffer, _stop.Token);
                if (count == 0)
                {
                    break;
                }

                if (upwards)
                {
                    Interlocked.Add(ref _toServer, count);
                }

                // A small packet does not hold a large buffer.
                await pipe.Writer.WriteAsync((count < BufferSize / 4 ? buffer[..count] : buffer, count, Stopwatch.GetTimestamp()), _stop.Token);
            }
        }
        finally
        {
            pipe.Writer.TryComplete();

            // What the client has closed is closed, although the server gets to know later.
            CountOpen(upwards ? -1 : 0);
        }

        await sending;
        to.Shutdown(SocketShutdown.Send);
    }

    private void CountOpen(int change)
    {
        lock (_gate)
        {
            _open += change;
            _peak = Math.Max(_peak, _open);
        }
    }

    private async Task SendAsync(ChannelReader<(byte[] Bytes, int Count, long At)> pipe, Socket to)
    {
        await foreach ((byte[] bytes, int count, long at) in pipe.ReadAllAsync(_stop.Token))
        {
            await _frozen.Task.WaitAsync(_stop.Token);
            TimeSpan left = _delay - Stopwatch.GetElapsedTime(at);
            if (left > TimeSpan.Zero)
            {
                await Task.Delay(left, _stop.Token);
            }

            for (int sent = 0; sent < count;)
            {
                sent += await to.SendAsync(bytes.AsMemory(sent, count - sent), _stop.Token);
            }
        }
    }
}
