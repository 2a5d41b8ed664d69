using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Litestream.TestKit.Servers;

/// <summary>One connection with HTTP/1.1 messages on it.</summary>
internal sealed class FaultProxyWire(Socket socket, long bytesPerSecond) : IDisposable
{
    public const long Chunked = -1;
    public const long UntilClose = -2;

    private const int MaxHead = 64 << 10;

    private readonly byte[] _buffer = new byte[MaxHead];
    private int _start;
    private int _end;
    private DateTime _paidUntil;

    /// <summary>False if the other side has closed the connection while nothing was going on.</summary>
    public bool IsAlive => !socket.Poll(0, SelectMode.SelectRead);

    /// <summary>The next head; null at an orderly end.</summary>
    public async ValueTask<FaultProxyHead?> ReadHeadAsync(CancellationToken cancellationToken)
    {
        using var head = new MemoryStream();
        while (true)
        {
            byte[]? line = await ReadLineAsync(cancellationToken);
            if (line is null)
            {
                return head.Length == 0 ? null : throw new IOException("the connection ended in a head");
            }

            if (head.Length == 0 && line.Length == 2)
            {
                continue; // An empty line before a message is allowed.
            }

            head.Write(line);
            if (line.Length == 2)
            {
                return new FaultProxyHead(head.ToArray());
            }

            if (head.Length > MaxHead)
            {
                throw new InvalidDataException("head too long");
            }
        }
    }

    /// <summary>Hands a body on in pieces, with its framing.</summary>
    /// <param name="length">Bytes, <see cref="Chunked"/> or <see cref="UntilClose"/>.</param>
    /// <param name="sink">Takes the pieces.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public async ValueTask CopyBodyAsync(long length, Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken cancellationToken)
    {
        if (length != Chunked)
        {
            await CopyAsync(length == UntilClose ? long.MaxValue : length, length == UntilClose, sink, cancellationToken);
            return;
        }

        while (true)
        {
            byte[] line = await ReadLineAsync(cancellationToken) ?? throw new IOException("the connection ended between chunks");
            await sink(line);
            long size = long.Parse(Encoding.ASCII.GetString(line).Split(';')[0].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (size > 0)
            {
                await CopyAsync(size + 2, endIsFine: false, sink, cancellationToken);
                continue;
            }

            do
            {
                line = await ReadLineAsync(cancellationToken) ?? throw new IOException("the connection ended in a trailer");
                await sink(line);
            }
            while (line.Length > 2);
            return;
        }
    }

    /// <summary>A whole body with its framing.</summary>
    public async ValueTask<byte[]> ReadBodyAsync(long length, CancellationToken cancellationToken)
    {
        using var body = new MemoryStream();
        await CopyBodyAsync(length, piece =>
        {
            body.Write(piece.Span);
            return ValueTask.CompletedTask;
        }, cancellationToken);
        return body.ToArray();
    }

    /// <summary>The content of a chunked body.</summary>
    public static byte[] Unchunk(ReadOnlySpan<byte> body)
    {
        using var content = new MemoryStream();
        while (true)
        {
            int line = body.IndexOf("\r\n"u8);
            int size = int.Parse(Encoding.ASCII.GetString(body[..line]).Split(';')[0].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (size == 0)
            {
                return content.ToArray();
            }

            content.Write(body.Slice(line + 2, size));
            body = body[(line + 2 + size + 2)..];
        }
    }

    /// <summary>Sends bytes, as fast as the limit allows.</summary>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (bytes.Length > 0)
        {
            ReadOnlyMemory<byte> piece = bytesPerSecond > 0 && bytes.Length > 16 << 10 ? bytes[..(16 << 10)] : bytes;
            int sent = await socket.SendAsync(piece, SocketFlags.None, cancellationToken);
            bytes = bytes[sent..];
            if (bytesPerSecond > 0)
            {
                DateTime now = DateTime.UtcNow;
                _paidUntil = (_paidUntil > now ? _paidUntil : now) + TimeSpan.FromSeconds((double)sent / bytesPerSecond);
                if (_paidUntil - now > TimeSpan.FromMilliseconds(2))
                {
                    await Task.Delay(_paidUntil - now, cancellationToken);
                }
            }
        }
    }

    /// <summary>Waits for a time, or until the other side has closed the connection.</summary>
    /// <returns>False if it has.</returns>
    public async ValueTask<bool> StallAsync(TimeSpan time, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        over.CancelAfter(time);
        try
        {
            return await socket.ReceiveAsync(new byte[1], SocketFlags.Peek, over.Token) > 0;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Ends the connection with a reset.</summary>
    public void Reset()
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is closed already.
        }

        socket.Dispose();
    }

    public void Dispose() => socket.Dispose();

    private async ValueTask CopyAsync(long left, bool endIsFine, Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken cancellationToken)
    {
        while (left > 0)
        {
            if (_start == _end && !await FillAsync(cancellationToken))
            {
                if (!endIsFine)
                {
                    throw new IOException("the connection ended in a body");
                }

                return;
            }

            int count = (int)Math.Min(left, _end - _start);
            await sink(_buffer.AsMemory(_start, count));
            _start += count;
            left -= count;
        }
    }

    private async ValueTask<byte[]?> ReadLineAsync(CancellationToken cancellationToken)
    {
        byte[] line = [];
        while (true)
        {
            if (_start == _end && !await FillAsync(cancellationToken))
            {
                return line.Length == 0 ? null : throw new IOException("the connection ended in a line");
            }

            int at = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            int count = at < 0 ? _end - _start : at + 1;
            line = [.. line, .. _buffer.AsSpan(_start, count)];
            _start += count;
            if (at >= 0)
            {
                return line;
            }

            if (line.Length > MaxHead)
            {
                throw new InvalidDataException("line too long");
            }
        }
    }

    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        _start = 0;
        _end = await socket.ReceiveAsync(_buffer, SocketFlags.None, cancellationToken);
        return _end > 0;
    }
}
