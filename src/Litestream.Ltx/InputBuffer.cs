using System.Buffers;

namespace Litestream.Ltx;

/// <summary>A pooled window over a stream: fill until enough is there, consume from the front.</summary>
internal sealed class InputBuffer(Stream source, bool leaveOpen, int bufferSize) : IDisposable, IAsyncDisposable
{
    private byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Max(bufferSize, LtxFormat.HeaderSize));
    private int start;
    private int end;

    /// <summary>Offset in the stream of the first available byte.</summary>
    internal long Position { get; private set; }

    /// <summary>True when the stream has no more bytes than are available.</summary>
    internal bool IsAtEnd { get; private set; }

    /// <summary>Bytes read but not consumed.</summary>
    internal ReadOnlySpan<byte> Available => buffer.AsSpan(start, end - start);

    /// <summary>Consumes bytes.</summary>
    internal void Advance(int count)
    {
        start += count;
        Position += count;
    }

    /// <summary>Makes room for frames of this size.</summary>
    internal void EnsureCapacity(int capacity)
    {
        if (buffer.Length >= capacity)
        {
            return;
        }

        byte[] larger = ArrayPool<byte>.Shared.Rent(capacity);
        Available.CopyTo(larger);
        end -= start;
        start = 0;
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }

    /// <summary>Reads until at least <paramref name="needed"/> bytes are available or the stream ends.</summary>
    internal void Fill(int needed)
    {
        MakeRoom(needed);
        while (end - start < needed && !IsAtEnd)
        {
            Received(source.Read(buffer, end, buffer.Length - end));
        }
    }

    /// <inheritdoc cref="Fill"/>
    internal async ValueTask FillAsync(int needed, CancellationToken cancellationToken)
    {
        MakeRoom(needed);
        while (end - start < needed && !IsAtEnd)
        {
            Received(await source.ReadAsync(buffer.AsMemory(end), cancellationToken).ConfigureAwait(false));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Release();
        if (!leaveOpen)
        {
            source.Dispose();
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        Release();
        return leaveOpen ? ValueTask.CompletedTask : source.DisposeAsync();
    }

    private void Received(int count)
    {
        end += count;
        IsAtEnd = count == 0;
    }

    private void MakeRoom(int needed)
    {
        // Filling starts when less than one frame is left: moving it is cheap, and the read behind it is as large as can be.
        Available.CopyTo(buffer);
        end -= start;
        start = 0;
        EnsureCapacity(needed);
    }

    private void Release()
    {
        if (buffer.Length != 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
            start = end = 0;
        }
    }
}
