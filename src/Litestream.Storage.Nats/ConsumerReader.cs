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

    /// <summary>After so long without an answer another consumer is asked for.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    private readonly List<string> _asked = [];
    private string _name = "";
    private NatsConnection? _connection;
    private INatsSub<NatsMemoryOwner<byte>>? _messages;
    private ulong _consumed;

    /// <summary>Messages left behind those delivered; null before the first.</summary>
    public ulong? Pending { get; private set; }

    /// <summary>Starts the consumer, if that has not been done: what is stored from now on is news to it.</summary>
    /// <exception cref="ReplicaException">There is none to be had at the moment.</exception>
    public async ValueTask OpenAsync(CancellationToken cancellationToken)
    {
        if (_messages is null)
        {
            await CreateAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The next messages; none if there are no more at the moment.</summary>
    /// <exception cref="ReplicaException">The consumer is lost.</exception>
    public async ValueTask<List<StoredMessage>> PullAsync(int batch, CancellationToken cancellationToken)
    {
        await OpenAsync(cancellationToken).ConfigureAwait(false);
        ReadOnlyMemory<byte> request = JetStream.Json(writer =>
        {
            writer.WriteNumber("batch", batch);
            writer.WriteBoolean("no_wait", true);
        });
        string subject = $"$JS.API.CONSUMER.MSG.NEXT.{jetStream.Stream}.{_name}";
        await jetStream.Link.PublishAsync(_connection!, subject, request, _messages!.Subject, cancellationToken).ConfigureAwait(false);
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

        await jetStream.Link.ReleaseAsync(_messages).ConfigureAwait(false);
        try
        {
            foreach (string name in _asked)
            {
                if (_connection.ConnectionState != NatsConnectionState.Open)
                {
                    return; // One that is being made again takes no message; the server removes the consumer after a minute.
                }

                // Nobody waits for the answer, but without an address for it the server does nothing.
                await jetStream.Link.PublishAsync(_connection, $"$JS.API.CONSUMER.DELETE.{jetStream.Stream}.{name}", default, _connection.NewInbox(), CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (ReplicaException)
        {
            // As above.
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

    /// <summary>
    /// A cluster puts a consumer on any node that holds the stream, for a while also on one that died (a third of them), and then nobody
    /// answers. So one after another is asked for, and the first that answers is used.
    /// </summary>
    private async ValueTask CreateAsync(CancellationToken cancellationToken)
    {
        NatsConnection connection = await jetStream.Link.OpenAsync(cancellationToken).ConfigureAwait(false);

        // Not below the connection's own inbox: what comes there is told apart by its subject, and these messages keep theirs.
        string inbox = $"{connection.Opts.InboxPrefix}.{ObjectNames.NewNuid()}";
        var options = new NatsSubOpts { ChannelOpts = new NatsSubChannelOpts { Capacity = MaxBatch * 2 } };
        _messages = await jetStream.Link.GuardAsync(
            filter,
            token => connection.SubscribeCoreAsync(inbox, serializer: NatsRawSerializer<NatsMemoryOwner<byte>>.Default, opts: options, cancellationToken: token),
            cancellationToken).ConfigureAwait(false);
        _connection = connection;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        List<Task<string>> answers = [];
        try
        {
            Task<string>? first;
            do
            {
                answers.Add(CreateAsync(ObjectNames.NewNuid(), stop.Token));
                await Task.WhenAny([.. answers, Task.Delay(Patience, jetStream.Link.Time, stop.Token)]).ConfigureAwait(false);
                first = answers.Find(answer => answer.IsCompleted);
            }
            while (first is null);

            _name = await first.ConfigureAwait(false);
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
        }
    }

    private async Task<string> CreateAsync(string name, CancellationToken cancellationToken)
    {
        _asked.Add(name);
        ReadOnlyMemory<byte> request = JetStream.Json(writer =>
        {
            writer.WriteString("stream_name", jetStream.Stream);
            writer.WriteStartObject("config");
            writer.WriteString("name", name);
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
        using System.Text.Json.JsonDocument answer = await jetStream.CallAsync(
            $"$JS.API.CONSUMER.CREATE.{jetStream.Stream}.{name}.{filter}", request, cancellationToken).ConfigureAwait(false);
        return name;
    }
}
