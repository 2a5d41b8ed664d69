using Litestream.Storage.Transport;

namespace Litestream.Storage.Nats;

/// <summary>Chunks of an object that we wrote: each by its number, a few at a time, without a consumer on the server.</summary>
/// <param name="jetStream">The stream.</param>
/// <param name="retry">Retries of every single chunk.</param>
/// <param name="subject">Subject of the chunks.</param>
/// <param name="metadata">The object.</param>
/// <param name="map">Its map.</param>
/// <param name="first">First chunk wanted.</param>
/// <param name="last">Last chunk wanted.</param>
internal sealed class MappedChunkFeed(JetStream jetStream, RetryPolicy retry, string subject, ObjectMetadata metadata, ChunkMap map, int first, int last) : IChunkFeed
{
    private const int Window = 4;

    private readonly Queue<Task<StoredMessage>> _asked = new();
    private readonly CancellationTokenSource _stop = new();
    private int _next = first;

    /// <inheritdoc/>
    public async ValueTask<StoredMessage?> NextAsync(CancellationToken cancellationToken)
    {
        while (_asked.Count < Window && _next <= last)
        {
            _asked.Enqueue(FetchAsync(_next++));
        }

        if (!_asked.TryPeek(out Task<StoredMessage>? chunk))
        {
            return null;
        }

        // A cancelled wait leaves the chunk in the queue; disposal ends it.
        StoredMessage message = await chunk.WaitAsync(cancellationToken).ConfigureAwait(false);
        _ = _asked.Dequeue();
        return message;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        while (_asked.TryDequeue(out Task<StoredMessage>? chunk))
        {
            try
            {
                (await chunk.ConfigureAwait(false)).Dispose();
            }
            catch (Exception e) when (e is OperationCanceledException or IOException)
            {
                // Nobody wants it any more.
            }
        }

        _stop.Dispose();
    }

    private async Task<StoredMessage> FetchAsync(int index)
    {
        ulong sequence = map.SequenceOf(index);
        StoredMessage? found = await retry.ExecuteAsync("GET " + metadata.Name, token => jetStream.GetAsync(sequence, token), _stop.Token).ConfigureAwait(false);
        long length = Math.Min(map.ChunkSize, metadata.Size - ((long)index * map.ChunkSize));
        if (found is { } chunk && chunk.Subject == subject && chunk.Data.Length == length)
        {
            return chunk;
        }

        found?.Dispose();
        throw new ChunkMapException(subject);
    }
}
