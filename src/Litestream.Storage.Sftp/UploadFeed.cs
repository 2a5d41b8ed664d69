using Renci.SshNet;

namespace Litestream.Storage.Sftp;

/// <summary>
/// What the library reads while it uploads. The library sends a WRITE request for every read without a limit of its own; this stream
/// limits those without an answer, counts the answers, and ends the upload in good order when its source fails or the caller
/// cancels, so that no handle stays open on the server.
/// </summary>
internal sealed class UploadFeed(ReplaySource source, SftpLane lane, CancellationToken cancellationToken) : Stream, IProgress<UploadFileProgressReport>
{
    /// <summary>
    /// WRITE requests without an answer, about 32 KiB each: twice what fits the window of OpenSSH, so that this window is what is waited
    /// for, and not the way of an answer through the thread pool.
    /// </summary>
    internal const int MaxOutstanding = 64;

    // A refused WRITE is reported to the library only, and by the library only at the next read.
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(1);

    private TaskCompletionSource _progress = NewSignal();
    private int _sent;
    private int _answered;
    private volatile bool _ended;
    private volatile bool _readsSource;
    private volatile bool _broken;

    /// <summary>True while the source is read: silence on the connection means nothing then.</summary>
    internal bool IsReadingSource => _readsSource;

    /// <summary>Whether the server confirmed every WRITE.</summary>
    internal bool IsConfirmed => !_broken && Volatile.Read(ref _answered) == _sent;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>The source is not read any more.</summary>
    internal void Abandon() => _ended = true;

    /// <summary>A WRITE was confirmed. Called on the library's receiving thread.</summary>
    public void Report(UploadFileProgressReport value)
    {
        Interlocked.Increment(ref _answered);
        lane.Touch();
        Interlocked.Exchange(ref _progress, NewSignal()).TrySetResult();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken ignored = default)
    {
        await WaitAsync(MaxOutstanding - 1).ConfigureAwait(false);
        if (_ended)
        {
            return 0;
        }

        // The library drops what is sent on a closed connection without a word.
        if (!lane.IsConnected)
        {
            _broken = true;
            _ended = true;
            return 0;
        }

        _readsSource = true;
        int count = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        lane.Touch();
        _readsSource = false;
        if (count > 0)
        {
            _sent++;
            return count;
        }

        _ended = true;
        await WaitAsync(0).ConfigureAwait(false);
        return 0;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken ignored) =>
        ReadAsync(buffer.AsMemory(offset, count), ignored).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async ValueTask WaitAsync(int outstanding)
    {
        while (true)
        {
            Task progress = Volatile.Read(ref _progress).Task;
            if (_sent - Volatile.Read(ref _answered) <= outstanding)
            {
                return;
            }

            try
            {
                await progress.WaitAsync(ProbeInterval, lane.Transport.Time, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception stop) when (stop is TimeoutException or OperationCanceledException)
            {
                return;
            }
        }
    }
}
