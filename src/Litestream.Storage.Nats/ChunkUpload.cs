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

    private readonly List<string> _abandoned = [];
    private bool _started;

    /// <summary>Identifiers of attempts that came to nothing; their chunks are to be purged.</summary>
    public IReadOnlyList<string> Abandoned => _abandoned;

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
        string nuid = ObjectNames.NewNuid();
        _abandoned.Add(nuid);
        NatsConnection connection = await jetStream.Link.OpenAsync(cancellationToken).ConfigureAwait(false);
        int chunkSize = Math.Min(ObjectMetadata.MaxChunkSize, connection.ServerInfo?.MaxPayload ?? ObjectMetadata.MaxChunkSize);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(chunkSize);
        try
        {
            StoredChunks stored = await SendAsync(connection, nuid, buffer.AsMemory(0, chunkSize), cancellationToken).ConfigureAwait(false);
            if (stored.Failure is null)
            {
                _abandoned.Remove(nuid);
            }

            return stored;
        }
        finally
        {
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
        await using (acks.ConfigureAwait(false))
        {
            for (int sent = 0; ; sent++)
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
                    await PublishAsync(connection, subject, inbox, buffer[..count], cancellationToken).ConfigureAwait(false);
                }

                int outstanding = sent + (count > 0 ? 1 : 0) - map.Count;
                while (outstanding > (last ? 0 : Window - 1))
                {
                    await TakeAckAsync(acks, subject, map, cancellationToken).ConfigureAwait(false);
                    outstanding--;
                }

                if (last)
                {
                    return new StoredChunks(nuid, tap.Length, map, hash.GetHashAndReset(), tap.Last);
                }
            }
        }
    }

    private async ValueTask PublishAsync(
        NatsConnection connection, string subject, string inbox, ReadOnlyMemory<byte> chunk, CancellationToken cancellationToken) =>
        await jetStream.Link.GuardAsync(
            subject,
            async token =>
            {
                await connection.PublishAsync(
                    subject, chunk, replyTo: inbox, serializer: NatsRawSerializer<ReadOnlyMemory<byte>>.Default, cancellationToken: token).ConfigureAwait(false);
                return true;
            },
            cancellationToken).ConfigureAwait(false);

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
