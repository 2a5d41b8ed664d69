using NATS.Client.Core;

namespace Litestream.Storage.Nats;

/// <summary>
/// An ephemeral pull consumer: messages come only when asked for, so that a slow reader holds a batch in memory and no more. One gap and it
/// fails; whoever uses it starts another one.
/// </summary>
/// <param name="jetStream">The stream.</param>
/// <param name="filter">Subjects wanted.</param>
/// <param name="startSequence">First message wanted; 0 = the newest message of every subject.</param>
/// <param name="headersOnly">True: messages come without content.</param>
internal sealed class ConsumerReader(JetStream jetStream, string filter, ulong startSequence, bool headersOnly = false) : IAsyncDisposable
{
    /// <summary>The largest batch that may be asked for; the client library drops what comes beyond its queue.</summary>
    public const int MaxBatch = 1000;

    /// <summary>The server removes the consumer when nothing was asked for so long: the case that we cannot.</summary>
    private const long InactiveNanoseconds = 60L * 1_000_000_000;

    private readonly string _name = ObjectNames.NewNuid();
    private NatsConnection? _connection;
    private INatsSub<NatsMemoryOwner<byte>>? _messages;
    private ulong _consumed;

    /// <summary>Messages left behind those delivered; null before the first.</summary>
    public ulong? Pending { get; private set; }

    /// <summary>The next messages; none if there are no more at the moment.</summary>
    /// <exception cref="ReplicaException">The consumer is lost.</exception>
    public async ValueTask<List<StoredMessage>> PullAsync(int batch, CancellationToken cancellationToken)
    {
        if (_messages is null)
        {
            await CreateAsync(cancellationToken).ConfigureAwait(false);
        }

        ReadOnlyMemory<byte> request = JetStream.Json(writer =>
        {
            writer.WriteNumber("batch", batch);
            writer.WriteBoolean("no_wait", true);
        });
        string subject = $"$JS.API.CONSUMER.MSG.NEXT.{jetStream.Stream}.{_name}";
        await jetStream.Link.GuardAsync(
            subject,
            async token =>
            {
                await _connection!.PublishAsync(
                    subject, request, replyTo: _messages!.Subject, serializer: NatsRawSerializer<ReadOnlyMemory<byte>>.Default, cancellationToken: token).ConfigureAwait(false);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
        List<StoredMessage> taken = [];
        try
        {
            while (taken.Count < batch)
            {
                NatsMsg<NatsMemoryOwner<byte>> message = await jetStream.Link.GuardAsync(subject, _messages!.Msgs.ReadAsync, cancellationToken).ConfigureAwait(false);
                if (!Take(message, subject, taken))
                {
                    break;
                }
            }

            return taken;
        }
        catch
        {
            taken.ForEach(message => message.Dispose());
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_connection is null || _messages is null)
        {
            return;
        }

        try
        {
            // Within the time limit of an answer: a connection that is being made again takes no message, however long that lasts.
            await jetStream.Link.GuardAsync(
                filter,
                async token =>
                {
                    await _messages.DisposeAsync().AsTask().WaitAsync(token).ConfigureAwait(false);
                    if (_connection.ConnectionState == NatsConnectionState.Open)
                    {
                        // Nobody waits for the answer, but without an address for it the server does nothing.
                        await _connection.PublishAsync(
                            $"$JS.API.CONSUMER.DELETE.{jetStream.Stream}.{_name}", ReadOnlyMemory<byte>.Empty, replyTo: _connection.NewInbox(),
                            serializer: NatsRawSerializer<ReadOnlyMemory<byte>>.Default, cancellationToken: token).ConfigureAwait(false);
                    }

                    return true;
                },
                CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NatsException or ObjectDisposedException or InvalidOperationException or ReplicaException or OperationCanceledException)
        {
            // The server removes it after a minute.
        }
    }

    private bool Take(in NatsMsg<NatsMemoryOwner<byte>> message, string subject, List<StoredMessage> taken)
    {
        if (AckSubject.Parse(message.ReplyTo) is { } ack)
        {
            taken.Add(new StoredMessage(message.Subject, ack.StreamSequence, ack.Time, message.Data));
            Pending = ack.Pending;
            return ack.ConsumerSequence == ++_consumed
                ? true
                : throw new ReplicaException($"nats: messages were lost on {subject}", isTransient: true);
        }

        message.Data.Dispose();
        int status = message.HasNoResponders ? 503 : message.Headers?.Code ?? 0;
        return status switch
        {
            404 or 408 => false, // No more at the moment.
            100 => true,
            _ => throw new ReplicaException($"nats: the consumer on {filter} is lost: status {status} {message.Headers?.MessageText}", isTransient: true),
        };
    }

    private async ValueTask CreateAsync(CancellationToken cancellationToken)
    {
        NatsConnection connection = await jetStream.Link.OpenAsync(cancellationToken).ConfigureAwait(false);
        ReadOnlyMemory<byte> request = JetStream.Json(writer =>
        {
            writer.WriteString("stream_name", jetStream.Stream);
            writer.WriteStartObject("config");
            writer.WriteString("name", _name);
            writer.WriteString("deliver_policy", startSequence == 0 ? "last_per_subject" : "by_start_sequence");
            if (startSequence > 0)
            {
                writer.WriteNumber("opt_start_seq", startSequence);
            }

            writer.WriteString("ack_policy", "none");
            writer.WriteString("filter_subject", filter);
            writer.WriteString("replay_policy", "instant");
            if (headersOnly)
            {
                writer.WriteBoolean("headers_only", true);
            }

            writer.WriteNumber("inactive_threshold", InactiveNanoseconds);
            writer.WriteNumber("num_replicas", 1);
            writer.WriteBoolean("mem_storage", true);
            writer.WriteEndObject();
        });

        // Not below the connection's own inbox: what comes there is told apart by its subject, and these messages keep theirs.
        string inbox = $"{connection.Opts.InboxPrefix}.{ObjectNames.NewNuid()}";
        var options = new NatsSubOpts { ChannelOpts = new NatsSubChannelOpts { Capacity = MaxBatch * 2 } };
        _messages = await jetStream.Link.GuardAsync(
            filter,
            token => connection.SubscribeCoreAsync(inbox, serializer: NatsRawSerializer<NatsMemoryOwner<byte>>.Default, opts: options, cancellationToken: token),
            cancellationToken).ConfigureAwait(false);
        _connection = connection;
        using System.Text.Json.JsonDocument answer = await jetStream.CallAsync(
            $"$JS.API.CONSUMER.CREATE.{jetStream.Stream}.{_name}.{filter}", request, cancellationToken).ConfigureAwait(false);
    }
}
