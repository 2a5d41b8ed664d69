namespace Litestream.Storage.Transport;

/// <summary>Bytes that a request sends: of known length, and read any number of times, since an attempt may fail.</summary>
public abstract class UploadBytes
{
    /// <summary>Their number.</summary>
    public abstract long Length { get; }

    /// <summary>Bytes in memory.</summary>
    /// <param name="bytes">They must not change until the last request with them has ended.</param>
    public static UploadBytes Of(ReadOnlyMemory<byte> bytes) => new MemoryBytes(bytes);

    /// <summary>
    /// The bytes in order. A slice is valid until the next one is asked for: hashes and connections take them one after the other, so that
    /// nothing ever needs all of them in memory.
    /// </summary>
    /// <param name="from">First byte wanted, 0 to <see cref="Length"/>.</param>
    /// <exception cref="IOException">They lie in a file that cannot be read.</exception>
    public abstract IEnumerable<ReadOnlyMemory<byte>> Slices(long from = 0);

    private sealed class MemoryBytes(ReadOnlyMemory<byte> bytes) : UploadBytes
    {
        public override long Length => bytes.Length;

        public override IEnumerable<ReadOnlyMemory<byte>> Slices(long from) => [bytes[checked((int)from)..]];
    }
}
