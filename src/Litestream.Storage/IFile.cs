namespace Litestream.Storage;

/// <summary>An open file with explicit offsets. Not for use by several writers at the same offset.</summary>
public interface IFile : IDisposable
{
    /// <summary>Absolute path it was opened under.</summary>
    string Path { get; }

    /// <summary>Current size in bytes.</summary>
    long Length { get; }

    /// <summary>Reads up to the buffer's length at an offset; 0 only at or behind the end.</summary>
    int Read(Span<byte> buffer, long offset);

    /// <summary>Writes all bytes at an offset.</summary>
    /// <exception cref="DiskFullException">No space is left.</exception>
    void Write(ReadOnlySpan<byte> buffer, long offset);

    /// <summary>Makes content and size durable.</summary>
    void Sync();

    /// <summary>Asks for early write-out of a range without waiting, so that a later <see cref="Sync"/> is short. A hint.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Bytes, 0 = to the end of the file.</param>
    void StartWriteback(long offset, long length);

    /// <summary>Cuts or extends the file with zeros.</summary>
    void SetLength(long length);
}
