namespace Litestream.Storage.S3;

/// <summary>Bodies of answers that are read whole: errors, listings, small results.</summary>
internal static class BoundedBody
{
    /// <summary>Most bytes of a listing or another XML answer: 1000 keys of 1 KiB, every character escaped, fit.</summary>
    public const int MaxListingBytes = 16 << 20;

    /// <summary>Reads a body whole.</summary>
    /// <param name="what">The request, for messages.</param>
    /// <param name="content">The body.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="ReplicaException">It is longer than <see cref="MaxListingBytes"/>.</exception>
    public static async ValueTask<ReadOnlyMemory<byte>> ReadAsync(string what, HttpContent content, CancellationToken cancellationToken)
    {
        Stream body = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        byte[] buffer = new byte[(int)Math.Clamp(content.Headers.ContentLength ?? 4096, 0, 64 << 10) + 1];
        int count = 0;
        while (true)
        {
            int read = await body.ReadAsync(buffer.AsMemory(count), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                return buffer.AsMemory(0, count);
            }

            count += read;
            if (count > MaxListingBytes)
            {
                throw new ReplicaException($"{what}: the answer is longer than {MaxListingBytes} bytes", isTransient: false);
            }

            if (count == buffer.Length)
            {
                Array.Resize(ref buffer, Math.Min(2 * buffer.Length, MaxListingBytes + 1));
            }
        }
    }
}
