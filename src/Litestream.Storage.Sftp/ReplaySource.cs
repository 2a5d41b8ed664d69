using System.Buffers;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Sftp;

/// <summary>
/// The bytes of an upload, from their begin as often as needed: a connection may break at any of them. A source that can seek is
/// read again; of another one the first bytes are kept, and one that is larger cannot be repeated here — its owner makes it again.
/// </summary>
internal sealed class ReplaySource : IDisposable
{
    /// <summary>Most bytes kept of a source that cannot seek.</summary>
    internal const int MaxKept = 4 << 20;

    private const int FirstBuffer = 16 << 10;

    private readonly Stream _source;
    private readonly long _start;
    private readonly bool _seekable;
    private byte[] _kept;
    private int _keptCount;
    private long _position;
    private bool _keeping = true;

    internal ReplaySource(LtxUploadHead head, Stream source)
    {
        _source = source;
        _seekable = source.CanSeek;
        _start = _seekable ? source.Position : 0;
        _kept = ArrayPool<byte>.Shared.Rent(FirstBuffer);
        head.Bytes.CopyTo(_kept);
        _keptCount = head.Bytes.Length;
    }

    /// <summary>What the source threw; the upload ends there, and is not tried again.</summary>
    internal Exception? Failure { get; private set; }

    /// <summary>Whether <see cref="Rewind"/> works.</summary>
    internal bool CanRewind => _keeping && Failure is null;

    /// <summary>Size and last bytes of what was read since the begin.</summary>
    internal TrailerTap Tap { get; private set; } = new();

    /// <summary>Goes back to the first byte.</summary>
    internal void Rewind()
    {
        if (_position == 0)
        {
            return;
        }

        if (_seekable)
        {
            _source.Position = _start;
        }

        _position = 0;
        Tap = new TrailerTap();
    }

    /// <summary>Fills a buffer; fewer bytes only at the end, and at a failure, which is remembered and not thrown.</summary>
    internal async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int count = 0;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            while (Failure is null && count < buffer.Length)
            {
                int read = await ReadSomeAsync(buffer[count..], cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    break;
                }

                Tap.Add(buffer.Span.Slice(count, read));
                count += read;
            }
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            Failure = failure;
            return 0;
        }

        return count;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        byte[] kept = _kept;
        _kept = [];
        _keptCount = 0;
        _keeping = false;
        if (kept.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(kept);
        }
    }

    private async ValueTask<int> ReadSomeAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_position < _keptCount)
        {
            int again = (int)Math.Min(buffer.Length, _keptCount - _position);
            _kept.AsSpan((int)_position, again).CopyTo(buffer.Span);
            _position += again;
            return again;
        }

        int count = await _source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        if (!_seekable && _keeping)
        {
            Keep(buffer.Span[..count]);
        }

        _position += count;
        return count;
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_keptCount + bytes.Length > MaxKept)
        {
            Dispose();
            return;
        }

        if (_keptCount + bytes.Length > _kept.Length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Min(MaxKept, Math.Max(_keptCount + bytes.Length, 2 * _kept.Length)));
            _kept.AsSpan(0, _keptCount).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_kept);
            _kept = larger;
        }

        bytes.CopyTo(_kept.AsSpan(_keptCount));
        _keptCount += bytes.Length;
    }
}
