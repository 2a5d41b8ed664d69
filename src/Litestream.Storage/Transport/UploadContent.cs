using System.Net;

namespace Litestream.Storage.Transport;

/// <summary>Body of a request, in memory and of known length, so that it can be sent again and is never chunked (trap T12).</summary>
/// <param name="bytes">The body; it must not change until the request has ended.</param>
public sealed class UploadContent(ReadOnlyMemory<byte> bytes) : HttpContent
{
    private const int SliceBytes = 64 << 10;

    /// <summary>Called after each slice that the connection has taken: the upload is alive.</summary>
    internal Action? Progress { get; set; }

    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    /// <inheritdoc/>
    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        for (int at = 0; at < bytes.Length; at += SliceBytes)
        {
            await stream.WriteAsync(bytes.Slice(at, Math.Min(SliceBytes, bytes.Length - at)), cancellationToken).ConfigureAwait(false);
            Progress?.Invoke();
        }
    }

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = bytes.Length;
        return true;
    }
}
