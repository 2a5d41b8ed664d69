using System.Security.Cryptography;

namespace Litestream.Storage.Nats;

/// <summary>
/// A range of one object. A read of the whole object is checked against its SHA-256 before the last bytes are handed out (trap T11); an object
/// that ends early was replaced or deleted while it was read, or is damaged.
/// </summary>
internal sealed class ObjectStream : Stream
{
    private readonly ObjectMetadata _metadata;
    private readonly Func<IChunkFeed> _openWithoutMap;
    private readonly CancellationToken _openToken;
    private readonly long _offset;
    private readonly long _length;
    private readonly IncrementalHash? _hash;
    private IChunkFeed _feed;
    private StoredMessage? _chunk;
    private int _at;
    private long _skip;
    private long _position;
    private bool _disposed;

    /// <summary>Creates the stream; nothing is read yet.</summary>
    /// <param name="metadata">The object.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Bytes, not beyond the end of the object.</param>
    /// <param name="feed">Chunks from the one that holds the first byte, or from the object's start.</param>
    /// <param name="feedStart">Offset of the first byte of the feed.</param>
    /// <param name="openWithoutMap">Chunks from the object's start, should the map be wrong.</param>
    /// <param name="openToken">Cancels all reads.</param>
    public ObjectStream(
        ObjectMetadata metadata, long offset, long length, IChunkFeed feed, long feedStart, Func<IChunkFeed> openWithoutMap, CancellationToken openToken)
    {
        _metadata = metadata;
        _offset = offset;
        _length = length;
        _feed = feed;
        _skip = offset - feedStart;
        _openWithoutMap = openWithoutMap;
        _openToken = openToken;
        _hash = offset == 0 && length == metadata.Size && metadata.Digest is not null ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (buffer.IsEmpty || _position == _length)
        {
            return 0;
        }

        using CancellationTokenSource? both = _openToken.CanBeCanceled && cancellationToken.CanBeCanceled && cancellationToken != _openToken
            ? CancellationTokenSource.CreateLinkedTokenSource(_openToken, cancellationToken)
            : null;
        CancellationToken token = both?.Token ?? (cancellationToken.CanBeCanceled ? cancellationToken : _openToken);
        token.ThrowIfCancellationRequested();
        while (_chunk is not { } held || _at == held.Data.Length)
        {
            await AdvanceAsync(token).ConfigureAwait(false);
        }

        ReadOnlyMemory<byte> bytes = _chunk.Value.Data.Memory[_at..];
        bytes = bytes[..(int)Math.Min(Math.Min(bytes.Length, buffer.Length), _length - _position)];
        _hash?.AppendData(bytes.Span);
        if (_hash is not null && _position + bytes.Length == _length && !_hash.GetCurrentHash().AsSpan().SequenceEqual(_metadata.Digest!.Value.Span))
        {
            throw new ReplicaException(
                $"nats: {_metadata.Name}: the content does not match its SHA-256: the object is damaged in the store", isTransient: false);
        }

        bytes.CopyTo(buffer);
        _at += bytes.Length;
        _position += bytes.Length;
        return bytes.Length;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        if (!_disposed)
        {
            _disposed = true;
            _chunk?.Dispose();
            _chunk = null;
            _hash?.Dispose();
            await _feed.DisposeAsync().ConfigureAwait(false);
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            // What is left to do is between the feed and the server; nobody can wait for it here.
            _ = DisposeAsync().AsTask();
        }

        base.Dispose(disposing);
    }

    private async ValueTask AdvanceAsync(CancellationToken cancellationToken)
    {
        _chunk?.Dispose();
        _chunk = null;
        StoredMessage? next;
        try
        {
            next = await _feed.NextAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChunkMapException)
        {
            await _feed.DisposeAsync().ConfigureAwait(false);
            _feed = _openWithoutMap();
            _skip = _offset + _position;
            return;
        }

        if (next is not { } chunk)
        {
            throw new ReplicaException(
                $"nats: {_metadata.Name} ends before byte {_offset + _length}: it was replaced or deleted while it was read, or is damaged", isTransient: true);
        }

        _chunk = chunk;
        _at = (int)Math.Min(_skip, chunk.Data.Length);
        _skip -= _at;
    }
}
