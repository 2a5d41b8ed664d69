using System.Runtime.InteropServices;

namespace Litestream.Storage.Files;

/// <summary>An open file of the machine: positional system calls, no advisory lock, no buffering.</summary>
internal sealed class LocalFile(int descriptor, string path) : IFile
{
    private int _descriptor = descriptor;

    /// <inheritdoc/>
    public string Path { get; } = path;

    /// <inheritdoc/>
    public long Length
    {
        get
        {
            const int emptyPath = 0x1000;
            return LibC.Stat(Descriptor, string.Empty, emptyPath, LibC.StatusRecord.BasicMask, out LibC.StatusRecord status) == 0
                ? status.Size
                : throw SystemCallError.Create("stat", Path);
        }
    }

    private int Descriptor => _descriptor >= 0 ? _descriptor : throw new ObjectDisposedException(Path);

    /// <inheritdoc/>
    public unsafe int Read(Span<byte> buffer, long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        fixed (byte* start = buffer)
        {
            while (true)
            {
                nint count = LibC.Read(Descriptor, start, buffer.Length, offset);
                if (count >= 0)
                {
                    return (int)count;
                }

                ThrowUnlessInterrupted("read");
            }
        }
    }

    /// <inheritdoc/>
    public unsafe void Write(ReadOnlySpan<byte> buffer, long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        fixed (byte* start = buffer)
        {
            int written = 0;
            while (written < buffer.Length)
            {
                nint count = LibC.Write(Descriptor, start + written, buffer.Length - written, offset + written);
                if (count < 0)
                {
                    ThrowUnlessInterrupted("write");
                    continue;
                }

                written += (int)count;
            }
        }
    }

    /// <inheritdoc/>
    public void Sync()
    {
        while (LibC.Sync(Descriptor) != 0)
        {
            ThrowUnlessInterrupted("fsync");
        }
    }

    /// <inheritdoc/>
    public void StartWriteback(long offset, long length) =>

        // A hint: where the kernel or the file system does not know it, the later sync does all the work.
        _ = LibC.SyncRange(Descriptor, offset, length, LibC.StartWrite);

    /// <inheritdoc/>
    public void SetLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        while (LibC.Truncate(Descriptor, length) != 0)
        {
            ThrowUnlessInterrupted("truncate");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        int open = Interlocked.Exchange(ref _descriptor, -1);
        if (open >= 0)
        {
            // The result is ignored on purpose: durability was decided by Sync, and the descriptor is gone even after an error.
            _ = LibC.Close(open);
        }
    }

    private void ThrowUnlessInterrupted(string operation)
    {
        int code = Marshal.GetLastPInvokeError();
        if (code != LibC.Interrupted)
        {
            throw SystemCallError.Create(code, operation, Path);
        }
    }
}
