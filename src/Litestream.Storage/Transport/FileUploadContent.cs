using System.Buffers;
using System.Net;

namespace Litestream.Storage.Transport;

/// <summary>Body of a request that lies in a file: it can be sent again, has a known length, and costs one buffer of memory.</summary>
/// <param name="file">The file; it stays open, and unchanged, until the last attempt has ended.</param>
/// <param name="size">Bytes to send from its start.</param>
public sealed class FileUploadContent(IFile file, long size) : UploadContent(ReadOnlyMemory<byte>.Empty)
{
    private const int BufferBytes = 256 << 10;

    /// <inheritdoc/>
    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            long at = 0;
            while (at < size)
            {
                int count = file.Read(buffer.AsSpan(0, (int)Math.Min(buffer.Length, size - at)), at);
                if (count == 0)
                {
                    throw new IOException($"{file.Path} ends at {at} of {size} bytes: something cut it while it was uploaded");
                }

                await SendAsync(stream, buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                at += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = size;
        return true;
    }
}
