using System.Buffers;

namespace Litestream.Storage.Transport;

/// <summary>
/// Cuts the bytes of an upload into parts of equal size, the last one shorter. Buffers come from the pool and grow with what is read,
/// so a small file never costs a part's worth of memory.
/// </summary>
/// <param name="head">The first bytes, read already.</param>
/// <param name="source">The rest.</param>
/// <param name="partSize">Bytes per part, at most <see cref="Array.MaxLength"/>.</param>
public sealed class PartReader(LtxUploadHead head, Stream source, long partSize)
{
    private const int FirstBuffer = 64 << 10;

    private byte[] ahead = head.Bytes.ToArray();
    private bool ended;
    private int number;

    /// <summary>The next part; null behind the last one. An empty source gives one empty part.</summary>
    /// <exception cref="IOException">The source failed.</exception>
    public async ValueTask<UploadPart?> NextAsync(CancellationToken cancellationToken)
    {
        if (ended)
        {
            return null;
        }

        int size = checked((int)partSize);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(number == 0 ? Math.Min(size, FirstBuffer) : size);
        try
        {
            ahead.CopyTo(buffer, 0);
            int count = ahead.Length;
            while (count < size)
            {
                if (count == buffer.Length)
                {
                    byte[] larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(size, 2L * buffer.Length));
                    buffer.AsSpan(0, count).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }

                int read = await source.ReadAsync(buffer.AsMemory(count, Math.Min(size, buffer.Length) - count), cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    ended = true;
                    break;
                }

                count += read;
            }

            if (!ended)
            {
                // One byte more tells whether a full part is the last one.
                byte[] one = new byte[1];
                ended = await source.ReadAsync(one, cancellationToken).ConfigureAwait(false) == 0;
                ahead = ended ? [] : one;
            }

            byte[] filled = buffer;
            buffer = [];
            return new UploadPart(filled, count, ++number, ended);
        }
        finally
        {
            if (buffer.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }
}
