using System.Buffers;

namespace Litestream.Storage.Transport;

/// <summary>One part of an upload, in a pooled buffer that goes back when it is disposed.</summary>
public sealed class UploadPart : IDisposable
{
    private byte[]? _buffer;
    private readonly int _length;

    internal UploadPart(byte[] buffer, int length, int number, bool isLast) => (_buffer, _length, Number, IsLast) = (buffer, length, number, isLast);

    /// <summary>From 1.</summary>
    public int Number { get; }

    /// <summary>True for the last part of the object.</summary>
    public bool IsLast { get; }

    /// <summary>The bytes, until <see cref="Dispose"/>.</summary>
    public ReadOnlyMemory<byte> Bytes => (_buffer ?? throw new ObjectDisposedException(nameof(UploadPart))).AsMemory(0, _length);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
