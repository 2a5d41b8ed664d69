using System.Buffers;

namespace Litestream.Storage.Transport;

/// <summary>One part of an upload, in a pooled buffer or in a file of an <see cref="UploadSpool"/>. Both go when it is disposed.</summary>
public sealed class UploadPart : UploadBytes, IDisposable
{
    private readonly ArrayPool<byte> _pool;
    private IFile? _file;
    private byte[]? _buffer;

    internal UploadPart(ArrayPool<byte> pool, byte[] buffer, int length) => (_pool, _buffer, Length) = (pool, buffer, length);

    internal UploadPart(ArrayPool<byte> pool, IFile file, long length) => (_pool, _file, Length) = (pool, file, length);

    /// <inheritdoc/>
    public override long Length { get; }

    /// <summary>From 1.</summary>
    public required int Number { get; init; }

    /// <summary>True for the last part of the object.</summary>
    public required bool IsLast { get; init; }

    /// <inheritdoc/>
    public override IEnumerable<ReadOnlyMemory<byte>> Slices(long from = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)from, (ulong)Length, nameof(from));
        return _file is { } file
            ? ReadFile(file, from)
            : [(_buffer ?? throw new ObjectDisposedException(nameof(UploadPart))).AsMemory((int)from, (int)(Length - from))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Interlocked.Exchange(ref _file, null)?.Dispose();
        if (Interlocked.Exchange(ref _buffer, null) is { } buffer)
        {
            _pool.Return(buffer);
        }
    }

    private IEnumerable<ReadOnlyMemory<byte>> ReadFile(IFile file, long from)
    {
        byte[] slice = _pool.Rent(UploadSpool.SliceBytes);
        try
        {
            for (long at = from; at < Length;)
            {
                int count = file.Read(slice.AsSpan(0, (int)Math.Min(slice.Length, Length - at)), at);
                if (count == 0)
                {
                    throw new IOException($"{file.Path} ends at {at} of {Length} bytes: something cut it while it was uploaded");
                }

                yield return slice.AsMemory(0, count);
                at += count;
            }
        }
        finally
        {
            _pool.Return(slice);
        }
    }
}
