namespace Litestream.Storage.Nats;

/// <summary>Chunks of one object, in order.</summary>
internal interface IChunkFeed : IAsyncDisposable
{
    /// <summary>The next chunk, to be disposed by the caller; null behind the last one.</summary>
    ValueTask<StoredMessage?> NextAsync(CancellationToken cancellationToken);
}
