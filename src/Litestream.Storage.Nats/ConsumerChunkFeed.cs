using Litestream.Storage.Transport;

namespace Litestream.Storage.Nats;

/// <summary>
/// Chunks of any size, as other writers leave them (trap T11): the first one on its own, since most reads want only the header; then a
/// consumer in batches of about a mebibyte. A lost consumer is replaced by one behind the last chunk received.
/// </summary>
internal sealed class ConsumerChunkFeed(JetStream jetStream, RetryPolicy retry, string subject, ObjectMetadata metadata) : IChunkFeed
{
    private const long BatchBytes = 1 << 20;

    private readonly Queue<StoredMessage> _ready = new();
    private readonly int _batch = (int)Math.Clamp(BatchBytes * Math.Max(1, metadata.Chunks) / Math.Max(1, metadata.Size), 4, ConsumerReader.MaxBatch);
    private ConsumerReader? _reader;
    private ulong _next;
    private bool _ended;

    /// <inheritdoc/>
    public async ValueTask<StoredMessage?> NextAsync(CancellationToken cancellationToken)
    {
        if (_ready.Count == 0 && !_ended)
        {
            if (_next == 0)
            {
                await TakeFirstAsync(cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await FillAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        return _ready.TryDequeue(out StoredMessage chunk) ? chunk : null;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _ended = true;
        while (_ready.TryDequeue(out StoredMessage chunk))
        {
            chunk.Dispose();
        }

        await DropReaderAsync().ConfigureAwait(false);
    }

    private async ValueTask TakeFirstAsync(CancellationToken cancellationToken)
    {
        StoredMessage? first = await retry.ExecuteAsync("GET " + metadata.Name, token => jetStream.GetFirstAsync(subject, token), cancellationToken).ConfigureAwait(false);
        if (first is { } chunk)
        {
            _ready.Enqueue(chunk);
            _next = chunk.Sequence + 1;
        }

        _ended = first is null || metadata.Chunks <= 1;
    }

    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        List<StoredMessage> chunks = await retry.ExecuteAsync("GET " + metadata.Name, PullAsync, cancellationToken).ConfigureAwait(false);
        foreach (StoredMessage chunk in chunks)
        {
            _ready.Enqueue(chunk);
            _next = chunk.Sequence + 1;
        }

        _ended = chunks.Count == 0 || _reader?.Pending == 0;
    }

    private async ValueTask<List<StoredMessage>> PullAsync(CancellationToken cancellationToken)
    {
        _reader ??= new ConsumerReader(jetStream, subject, _next);
        try
        {
            return await _reader.PullAsync(_batch, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await DropReaderAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async ValueTask DropReaderAsync()
    {
        if (_reader is { } reader)
        {
            _reader = null;
            await reader.DisposeAsync().ConfigureAwait(false);
        }
    }
}
