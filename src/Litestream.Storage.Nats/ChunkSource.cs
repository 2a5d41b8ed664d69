namespace Litestream.Storage.Nats;

/// <summary>
/// The bytes of an upload, from the start again if need be: a seekable source is sought back, of another one the first mebibyte is kept.
/// </summary>
/// <param name="head">The first bytes, read already.</param>
/// <param name="source">The rest.</param>
internal sealed class ChunkSource(LtxUploadHead head, Stream source)
{
    private const int MaxKept = 1 << 20;

    private readonly long _start = source.CanSeek ? source.Position : 0;
    private MemoryStream? _kept = source.CanSeek ? null : new MemoryStream();
    private long _replay;
    private int _headLeft = head.Bytes.Length;

    /// <summary>Fills a buffer.</summary>
    /// <returns>Bytes read: fewer than asked only at the end.</returns>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int done = Math.Min(_headLeft, buffer.Length);
        head.Bytes.Slice(head.Bytes.Length - _headLeft, done).CopyTo(buffer);
        _headLeft -= done;
        if (_kept is not null && _replay < _kept.Length)
        {
            _kept.Position = _replay;
            int again = _kept.Read(buffer.Span[done..]);
            _replay += again;
            done += again;
        }

        int before = done;
        done += await source.ReadAtLeastAsync(buffer[done..], buffer.Length - done, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        Keep(buffer.Span[before..done]);
        return done;
    }

    /// <summary>Goes back to the first byte.</summary>
    /// <returns>False if that is no longer possible.</returns>
    public bool TryRestart()
    {
        _headLeft = head.Bytes.Length;
        _replay = 0;
        if (source.CanSeek)
        {
            source.Position = _start;
            return true;
        }

        return _kept is not null;
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_kept is null || bytes.IsEmpty)
        {
            return; // Nothing new: there may be more to replay.
        }

        if (_kept.Length + bytes.Length > MaxKept)
        {
            _kept = null;
            return;
        }

        _kept.Position = _kept.Length;
        _kept.Write(bytes);
        _replay = _kept.Length;
    }
}
