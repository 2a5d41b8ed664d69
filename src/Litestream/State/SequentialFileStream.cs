using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Transport;

namespace Litestream.State;

/// <summary>A file of the file-system seam as a forward stream. All calls are synchronous: these are local files.</summary>
/// <param name="file">The file.</param>
/// <param name="ownsFile">Whether it is closed with the stream.</param>
/// <param name="onWriteError">Makes the exception to throw out of the one that a write threw; null = that one.</param>
internal sealed class SequentialFileStream(IFile file, bool ownsFile = true, Func<Exception, Exception>? onWriteError = null) : Stream, ILengthBound
{
    private long position;

    /// <summary>CRC-64 of all bytes written through this stream.</summary>
    public ulong WrittenChecksum { get; private set; }

    /// <summary>Bytes that are left: an upload decides by them how large its parts are (decision D34).</summary>
    public long MaxLength => file.Length - position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => file.Length;

    public override long Position { get => position; set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        int read = file.Read(buffer, position);
        position += read;
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled<int>(cancellationToken) : ValueTask.FromResult(Read(buffer.Span));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            file.Write(buffer, position);
        }
        catch (Exception e) when (onWriteError is not null)
        {
            throw onWriteError(e);
        }

        WrittenChecksum = Crc64.Append(WrittenChecksum, buffer);
        position += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing && ownsFile)
        {
            file.Dispose();
        }

        base.Dispose(disposing);
    }
}
