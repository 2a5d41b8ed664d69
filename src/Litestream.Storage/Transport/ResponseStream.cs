namespace Litestream.Storage.Transport;

/// <summary>Body of an answer: bounded, watched for stalls, and owner of its response.</summary>
internal sealed class ResponseStream : Stream
{
    private readonly Stream _body;
    private readonly IDisposable _owner;
    private readonly TimeSpan _idleTimeout;
    private readonly CancellationTokenSource _stall;
    private readonly CancellationTokenRegistration _opener;
    private readonly CancellationToken _openToken;
    private long _skip;
    private long _left;

    public ResponseStream(Stream body, IDisposable owner, BodyRange range, TimeSpan idleTimeout, TimeProvider time, CancellationToken openToken)
    {
        _body = body;
        _owner = owner;
        _skip = range.Skip;
        _left = range.Limit < 0 ? long.MaxValue : range.Limit;
        _idleTimeout = idleTimeout;
        _stall = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _openToken = openToken;
        _opener = openToken.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), _stall);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int wanted = (int)Math.Min(buffer.Length, _left);
        if (wanted == 0)
        {
            return 0;
        }

        // A server that ignores Range sends everything (trap T30): what was not asked for is read and dropped here, so that only a stall
        // ends it, not its length. The caller's buffer is free to use until bytes are reported.
        while (_skip > 0)
        {
            int skipped = await ReadSomeAsync(buffer[..(int)Math.Min(buffer.Length, _skip)], cancellationToken).ConfigureAwait(false);
            if (skipped == 0)
            {
                return 0;
            }

            _skip -= skipped;
        }

        int count = await ReadSomeAsync(buffer[..wanted], cancellationToken).ConfigureAwait(false);
        _left -= count;
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private async ValueTask<int> ReadSomeAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        // The read itself is cancelled and awaited: a pooled buffer must not be written to after it has been given back.
        using CancellationTokenRegistration reader = cancellationToken == _openToken
            ? default
            : cancellationToken.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), _stall);
        _stall.CancelAfter(_idleTimeout);
        try
        {
            int count = await _body.ReadAsync(buffer, _stall.Token).ConfigureAwait(false);
            _stall.CancelAfter(Timeout.InfiniteTimeSpan);
            return count;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException && _stall.IsCancellationRequested)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _openToken.ThrowIfCancellationRequested();
            throw new ReplicaException($"the store sent no byte for {_idleTimeout.TotalSeconds:0.###} s", isTransient: true, e);
        }
        catch (HttpRequestException e)
        {
            throw new ReplicaException($"the answer broke off: {e.Message}", isTransient: true, e);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _opener.Dispose();
            _body.Dispose();
            _owner.Dispose();
            _stall.Dispose();
        }

        base.Dispose(disposing);
    }
}
