namespace Litestream.Storage;

/// <summary>One file from its begin to its end in as few requests as the store allows: a read that breaks off goes on where it was.</summary>
internal sealed class ResumableStream(ResumableReader reader) : Stream
{
    private Stream? _source;
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => reader.Size;

    public override long Position { get => _position; set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int wanted = (int)Math.Min(buffer.Length, reader.Size - _position);
        while (wanted > 0)
        {
            IOException? failure = null;
            try
            {
                _source ??= await reader.OpenAsync(_position, reader.Size - _position, cancellationToken);
                int count = await _source.ReadAsync(buffer[..wanted], cancellationToken);
                if (count > 0)
                {
                    _position += count;
                    reader.AddProgress(count);
                    return count;
                }
            }
            catch (IOException error) when (ResumableReader.IsResumable(error))
            {
                failure = error;
            }

            await CloseSourceAsync();
            await reader.WaitAsync(_position, failure, cancellationToken);
        }

        return 0;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Files of a store are read asynchronously.");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        await CloseSourceAsync();
        await base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _source?.Dispose();
            _source = null;
        }

        base.Dispose(disposing);
    }

    private async ValueTask CloseSourceAsync()
    {
        if (_source is { } source)
        {
            _source = null;
            await source.DisposeAsync();
        }
    }
}
