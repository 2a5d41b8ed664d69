namespace Litestream.Storage;

/// <summary>A read-only stream over a byte range of an open file; owns the file.</summary>
/// <param name="file">The file, closed with the stream.</param>
/// <param name="offset">First byte of the range.</param>
/// <param name="end">First byte behind the range; may lie behind the end of the file.</param>
public sealed class FileRangeStream(IFile file, long offset, long end) : Stream
{
    private readonly long _start = offset;
    private long _position = offset;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => true;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => Math.Max(0, Math.Min(end, file.Length) - _start);

    /// <inheritdoc/>
    public override long Position
    {
        get => _position - _start;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = checked(_start + value);
        }
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        long left = end - _position;
        if (left <= 0 || buffer.IsEmpty)
        {
            return 0;
        }

        int count = file.Read(left < buffer.Length ? buffer[..(int)left] : buffer, _position);
        _position += count;
        return count;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return Read(buffer.AsSpan(offset, count));
    }

    /// <summary>Reads at once: positional reads of a local file have no asynchronous form worth a thread switch.</summary>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<int>(cancellationToken)
            : new ValueTask<int>(Read(buffer.Span));

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
    {
        SeekOrigin.Begin => offset,
        SeekOrigin.Current => Position + offset,
        _ => Length + offset,
    };

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            file.Dispose();
        }

        base.Dispose(disposing);
    }
}
