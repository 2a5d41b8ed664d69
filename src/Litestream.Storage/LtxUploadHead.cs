using System.Buffers.Binary;

namespace Litestream.Storage;

/// <summary>
/// The first 100 bytes of a file about to be stored. Every backend reads them before it sends anything: they carry the time that
/// the store must remember, and a source that is not an LTX file must never get a name in a replica (ltx-format trap 17).
/// </summary>
public sealed class LtxUploadHead
{
    private const int HeaderSize = 100;

    private const int TimestampOffset = 32;

    private readonly byte[] _bytes;

    private LtxUploadHead(byte[] bytes, DateTimeOffset createdAt) => (_bytes, CreatedAt) = (bytes, createdAt);

    /// <summary>Time in the header, UTC, whole milliseconds.</summary>
    public DateTimeOffset CreatedAt { get; }

    /// <summary>The bytes taken from the source; they are the first ones to store.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <summary>Takes the header from the start of a source.</summary>
    /// <param name="source">Positioned at the first byte of the file.</param>
    /// <param name="target">What is about to be written, for the message.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="ReplicaException">The source is shorter than a header or does not begin with the magic.</exception>
    public static async ValueTask<LtxUploadHead> ReadAsync(Stream source, string target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        byte[] bytes = new byte[HeaderSize];
        int count = await source.ReadAtLeastAsync(bytes, HeaderSize, throwOnEndOfStream: false, cancellationToken);
        if (count < HeaderSize)
        {
            throw Refused(target, $"the source ends after {count} of {HeaderSize} header bytes");
        }

        if (!bytes.AsSpan().StartsWith("LTX1"u8))
        {
            throw Refused(target, "the source does not begin with the LTX magic");
        }

        long milliseconds = BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(TimestampOffset));
        if (milliseconds < DateTimeOffset.MinValue.ToUnixTimeMilliseconds()
            || milliseconds > DateTimeOffset.MaxValue.ToUnixTimeMilliseconds())
        {
            throw Refused(target, $"its time, {milliseconds} ms, is outside the calendar");
        }

        return new LtxUploadHead(bytes, DateTimeOffset.FromUnixTimeMilliseconds(milliseconds));
    }

    private static ReplicaException Refused(string target, string reason) =>
        new($"extract timestamp from LTX header: {target}: {reason}; nothing was stored", isTransient: false);
}
