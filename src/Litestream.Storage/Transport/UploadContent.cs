using System.Net;

namespace Litestream.Storage.Transport;

/// <summary>Body of a request, of known length, so that it can be sent again and is never chunked (trap T12).</summary>
public sealed class UploadContent : HttpContent
{
    private const int SliceBytes = 64 << 10;

    private readonly ReadOnlyMemory<byte> _before;
    private readonly UploadBytes _bytes;
    private readonly long _from;
    private readonly ReadOnlyMemory<byte> _after;

    /// <summary>A body in memory.</summary>
    /// <param name="bytes">The body; it must not change until the request has ended.</param>
    public UploadContent(ReadOnlyMemory<byte> bytes)
        : this(UploadBytes.Of(bytes))
    {
    }

    /// <summary>A body in memory or in a file.</summary>
    /// <param name="bytes">The body; it must not be disposed before the request has ended.</param>
    /// <param name="from">First byte to send: what is before it has arrived already.</param>
    public UploadContent(UploadBytes bytes, long from = 0) => (_bytes, _from) = (bytes, from);

    /// <summary>A body with something around it, so that a large one need not be copied to be framed.</summary>
    /// <param name="before">What is sent first.</param>
    /// <param name="bytes">What is sent then; none of the three may change until the request has ended.</param>
    /// <param name="after">What is sent last.</param>
    public UploadContent(ReadOnlyMemory<byte> before, UploadBytes bytes, ReadOnlyMemory<byte> after) =>
        (_before, _bytes, _after) = (before, bytes, after);

    /// <summary>Called after each slice that the connection has taken: the upload is alive.</summary>
    internal Action? Progress { get; set; }

    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    /// <inheritdoc/>
    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        await SendAsync(stream, _before, cancellationToken).ConfigureAwait(false);
        foreach (ReadOnlyMemory<byte> slice in _bytes.Slices(_from))
        {
            await SendAsync(stream, slice, cancellationToken).ConfigureAwait(false);
        }

        await SendAsync(stream, _after, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = _before.Length + (_bytes.Length - _from) + _after.Length;
        return true;
    }

    // In slices, each of which is reported.
    private async Task SendAsync(Stream stream, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        for (int at = 0; at < bytes.Length; at += SliceBytes)
        {
            await stream.WriteAsync(bytes.Slice(at, Math.Min(SliceBytes, bytes.Length - at)), cancellationToken).ConfigureAwait(false);
            Progress?.Invoke();
        }
    }
}
