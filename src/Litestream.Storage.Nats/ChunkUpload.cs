using System.Buffers;
using System.Security.Cryptography;
using Litestream.Storage.Transport;
using NATS.Client.Core;

namespace Litestream.Storage.Nats;

/// <summary>
/// Stores the chunks of one object. Every attempt takes an identifier of its own: a chunk whose acknowledgement was lost may still arrive, and
/// must not get between the chunks of the next attempt.
/// </summary>
internal sealed class ChunkUpload(JetStream jetStream, ObjectNames names, ChunkSource source)
{
    /// <summary>Chunks on their way at a time: 1 MiB.</summary>
    private const int Window = 8;

    private readonly List<AbandonedChunks> _abandoned = [];
    private bool _started;
    private int _sent;

    /// <summary>What attempts that came to nothing have stored; it is to be removed.</summary>
    public IReadOnlyList<AbandonedChunks> Abandoned => _abandoned;

    /// <summary>One attempt.</summary>
    /// <exception cref="ReplicaException">The server did not take it; another attempt may succeed.</exception>
    public async ValueTask<StoredChunks> TryAsync(CancellationToken cancellationToken)
    {
        if (_started && !source.TryRestart())
        {
            return StoredChunks.Failed(new ReplicaException(
                "nats: the upload broke off and its source cannot be read again; it is to be repeated from the start", isTransient: true));
        }

        _started = true;
        NatsConnection connection = await jetStream.Link.OpenAsync(cancellationToken).ConfigureAwait(false);
        int chunkSize = Math.Min(ObjectMetadata.MaxChunkSize, connection.ServerInfo?.MaxPayload ?? ObjectMetadata.MaxChunkSize);
        string nuid = ObjectNames.NewNuid();
        _sent = 0;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(chunkSize);
        bool complete = false;
        try
        {
            StoredChunks stored = await SendAsync(connection, nuid, buffer.AsMemory(0, chunkSize), cancellationToken).ConfigureAwait(false);
            complete = stored.Failure is null;
            return stored;
        }
        finally
        {
            if (!complete && _sent > 0)
            {
                _abandoned.Add(new AbandonedChunks(nuid, _sent));
            }

            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async ValueTask<StoredChunks> SendAsync(NatsConnection connection, string nuid, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        string subject = names.Chunks(nuid);
        string inbox = connection.NewInbox();
        var map = new ChunkMap(buffer.Length);
        var tap = new TrailerTap();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        INatsSub<byte[]> acks = await jetStream.Link.GuardAsync(
            subject, token => connection.SubscribeCoreAsync(inbox, serializer: NatsRawSerializer<byte[]>.Default, cancellationToken: token), cancellationToken).ConfigureAwait(false);
        try
        {
            while (true)
            {
                int count;
                try
                {
                    count = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
                }
                catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
                {
                    return StoredChunks.Failed(e); // Not the store's failure.
                }

                cancellationToken.ThrowIfCancellationRequested();
                bool last = count < buffer.Length;
                if (count > 0)
                {
                    hash.AppendData(buffer.Span[..count]);
                    tap.Add(buffer.Span[..count]);
                    _sent++;
                    await jetStream.Link.PublishAsync(connection, subject, buffer[..count], inbox, cancellationToken).ConfigureAwait(false);
                }

                while (_sent - map.Count > (last ? 0 : Window - 1))
                {
                    await TakeAckAsync(acks, subject, map, cancellationToken).ConfigureAwait(false);
                }

                if (last)
                {
                    return new StoredChunks(nuid, tap.Length, map, hash.GetHashAndReset(), tap.Last);
                }
            }
        }
        finally
        {
            await jetStream.Link.ReleaseAsync(acks).ConfigureAwait(false);
        }
    }

    /// <summary>Chunks are acknowledged in the order of their storage; anything else is not the object that was sent.</summary>
    private async ValueTask TakeAckAsync(INatsSub<byte[]> acks, string subject, ChunkMap map, CancellationToken cancellationToken)
    {
        NatsMsg<byte[]> answer = await jetStream.Link.GuardAsync(subject, acks.Msgs.ReadAsync, cancellationToken).ConfigureAwait(false);
        ulong sequence = JetStream.ReadAck(answer, subject);
        if (map.Count > 0 && sequence <= map.Last)
        {
            throw new ReplicaException($"nats: chunks on {subject} were stored out of order", isTransient: true);
        }

        map.Add(sequence);
    }
}
