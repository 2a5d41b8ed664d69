using Litestream.Storage;
using Litestream.Storage.Transport;

namespace Litestream.State;

/// <summary>
/// A forward stream over a local file that is open only while a read runs: thousands of files can be merged with one descriptor. The
/// file must not change meanwhile; its checksum would tell.
/// </summary>
/// <param name="open">Opens the file.</param>
/// <param name="size">Bytes of the file; behind them it is not opened any more.</param>
internal sealed class ReopeningFileStream(Func<IFile> open, long size) : Stream, ILengthBound
{
    private long position;

    /// <summary>Bytes that are left.</summary>
    public long MaxLength => size - position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => size;

    public override long Position { get => position; set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        if (position >= size || buffer.IsEmpty)
        {
            return 0;
        }

        using IFile file = open();
        int read = file.Read(buffer, position);
        position += read;
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled<int>(cancellationToken) : ValueTask.FromResult(Read(buffer.Span));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
