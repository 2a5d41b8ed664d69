using Litestream.Storage;

namespace Litestream.TestKit.Files;

/// <summary>An open file of <see cref="MemoryFileSystem"/>.</summary>
internal sealed class MemoryFile(MemoryFileSystem owner, MemoryNode node, string path, int epoch, bool writable) : IFile
{
    private bool _closed;

    /// <inheritdoc/>
    public string Path { get; } = path;

    /// <inheritdoc/>
    public long Length => Access(() => node.Length);

    /// <inheritdoc/>
    public unsafe int Read(Span<byte> buffer, long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        fixed (byte* start = buffer)
        {
            nint address = (nint)start;
            int length = buffer.Length;
            return Access(() => node.Read(new Span<byte>((void*)address, length), offset));
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        byte[] copy = buffer.ToArray();
        RequireWritable();
        Access(() =>
        {
            node.Write(copy, offset, owner.Now);
            return 0;
        });
    }

    /// <inheritdoc/>
    public void Sync() => Access(() =>
    {
        node.Sync();
        return 0;
    });

    /// <inheritdoc/>
    public void StartWriteback(long offset, long length) => Access(() => 0);

    /// <inheritdoc/>
    public void SetLength(long length)
    {
        RequireWritable();
        Access(() =>
        {
            node.SetLength(length, owner.Now);
            return 0;
        });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_closed)
        {
            _closed = true;
            owner.Closed(epoch);
        }
    }

    private T Access<T>(Func<T> action)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        return owner.Access(epoch, Path, action);
    }

    private void RequireWritable()
    {
        if (!writable)
        {
            throw new IOException($"write {Path}: bad file descriptor");
        }
    }
}
