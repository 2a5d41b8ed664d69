using Litestream.Ltx;

namespace Litestream.Storage;

/// <summary>
/// The first 100 bytes of a file about to be stored. Every backend reads them before it sends anything: they carry the time that
/// the store must remember, and a source that is not an LTX file must never get a name in a replica (ltx-format trap 17).
/// </summary>
public sealed class LtxUploadHead
{
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
        byte[] bytes = new byte[LtxFormat.HeaderSize];
        int count = await source.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        try
        {
            long milliseconds = LtxHeader.Peek(bytes.AsSpan(0, count), target).Timestamp;
            return new LtxUploadHead(bytes, DateTimeOffset.FromUnixTimeMilliseconds(milliseconds));
        }
        catch (Exception defect) when (defect is LtxException or ArgumentOutOfRangeException)
        {
            throw new ReplicaException(
                $"extract timestamp from LTX header: {target}: {defect.Message}; nothing was stored", isTransient: false, defect);
        }
    }
}
