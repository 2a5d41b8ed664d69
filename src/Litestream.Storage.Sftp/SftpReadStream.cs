using Renci.SshNet.Sftp;

namespace Litestream.Storage.Sftp;

/// <summary>A range of a file on the server. Closing does not wait for the server.</summary>
internal sealed class SftpReadStream : Stream
{
    private readonly SftpFileStream _file;
    private readonly SftpLease _lease;
    private readonly string _what;
    private readonly CancellationToken _openToken;
    private readonly CancellationTokenRegistration _opener;
    private CancellationTokenSource _stall;
    private long _left;
    private bool _closed;

    internal SftpReadStream(SftpFileStream file, SftpLease lease, long limit, string what, CancellationToken openToken)
    {
        _file = file;
        _lease = lease;
        _left = limit;
        _what = what;
        _openToken = openToken;
        _stall = NewWatch();
        _opener = openToken.UnsafeRegister(static stream => ((SftpReadStream)stream!)._stall.Cancel(), this);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        int wanted = (int)Math.Min(buffer.Length, _left);
        if (wanted == 0)
        {
            return 0;
        }

        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _openToken.ThrowIfCancellationRequested();
            long seen = _lease.Lane.Activity;
            try
            {
                int count = await ReadOnceAsync(buffer[..wanted], cancellationToken).ConfigureAwait(false);
                _left -= count;
                return count;
            }
            catch (OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                _openToken.ThrowIfCancellationRequested();
                if (_lease.Lane.Activity == seen)
                {
                    _lease.Lane.Close();
                    throw new ReplicaException(
                        $"{_what}: the server was silent for {_lease.Lane.Transport.IdleTimeout.TotalSeconds:0.###} s", isTransient: true);
                }

                _stall.Dispose();
                _stall = NewWatch();
            }
            catch (Exception failure) when (SftpFailure.IsOfServer(failure))
            {
                _lease.Retire |= !SftpFailure.IsAnswer(failure);
                throw SftpFailure.Describe(_what, failure);
            }
        }
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

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_closed)
        {
            _closed = true;
            _opener.Dispose();
            _stall.Dispose();
            _ = CloseAsync(_file, _lease);
        }

        base.Dispose(disposing);
    }

    /// <summary>Closes a handle and gives the connection back.</summary>
    internal static async Task CloseAsync(SftpFileStream file, SftpLease lease)
    {
        try
        {
            await lease.Lane.WaitAsync(file.DisposeAsync().AsTask(), null, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception failure) when (SftpFailure.IsOfServer(failure) || failure is IOException)
        {
            // Nothing is lost with a handle that was only read; the server drops it with the connection.
        }
        finally
        {
            lease.Dispose();
        }
    }

    private async ValueTask<int> ReadOnceAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        // The read itself is cancelled and awaited: a pooled buffer must not be written to after it has been given back.
        using CancellationTokenRegistration reader = cancellationToken == _openToken
            ? default
            : cancellationToken.UnsafeRegister(static stream => ((SftpReadStream)stream!)._stall.Cancel(), this);
        _stall.CancelAfter(_lease.Lane.Transport.IdleTimeout);
        int count = await _file.ReadAsync(buffer, _stall.Token).ConfigureAwait(false);
        _stall.CancelAfter(Timeout.InfiniteTimeSpan);
        _lease.Lane.Touch();
        return count;
    }

    private CancellationTokenSource NewWatch() => new(Timeout.InfiniteTimeSpan, _lease.Lane.Transport.Time);
}
