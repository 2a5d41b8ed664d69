using System.Buffers;
using System.Globalization;
using System.Text.Json;
using NATS.Client.Core;

namespace Litestream.Storage.Nats;

/// <summary>The requests of the JetStream protocol that an object store needs, for one stream (backends §4.8). No retries here.</summary>
internal sealed class JetStream(NatsLink link, string stream)
{
    private const string LastSequenceHeader = "Nats-Expected-Last-Subject-Sequence";
    private const string RollupHeader = "Nats-Rollup";

    public NatsLink Link => link;

    public string Stream => stream;

    /// <summary>Whether every replica of the stream answers reads. Where it does not, such a request gets no answer at all.</summary>
    private bool AllowsDirect { get; set; }

    /// <summary>Whether the stream lies on several nodes.</summary>
    public bool IsReplicated { get; private set; }

    /// <summary>Asks for the stream; fails with <see cref="JetStreamException.StreamNotFound"/> if there is none.</summary>
    public async ValueTask RequireStreamAsync(CancellationToken cancellationToken)
    {
        using JsonDocument answer = await CallAsync($"$JS.API.STREAM.INFO.{stream}", default, cancellationToken).ConfigureAwait(false);
        AllowsDirect = answer.RootElement.TryGetProperty("config", out JsonElement config)
            && config.TryGetProperty("allow_direct", out JsonElement direct) && direct.ValueKind == JsonValueKind.True;
        IsReplicated = config.ValueKind == JsonValueKind.Object && Integer(config, "num_replicas") > 1;
    }

    /// <summary>Subjects that have messages, as the stream's leader knows them.</summary>
    /// <param name="filter">Subjects of interest.</param>
    /// <param name="cancellationToken">Ends the requests.</param>
    public async ValueTask<HashSet<string>> GetSubjectsAsync(string filter, CancellationToken cancellationToken)
    {
        HashSet<string> subjects = [];
        int total;
        int offset = 0;
        do
        {
            int from = offset;
            ReadOnlyMemory<byte> request = Json(writer =>
            {
                writer.WriteString("subjects_filter", filter);
                writer.WriteNumber("offset", from);
            });
            using JsonDocument answer = await CallAsync($"$JS.API.STREAM.INFO.{stream}", request, cancellationToken).ConfigureAwait(false);
            total = Integer(answer.RootElement, "total");
            if (answer.RootElement.TryGetProperty("state", out JsonElement state) && state.TryGetProperty("subjects", out JsonElement page))
            {
                foreach (JsonProperty subject in page.EnumerateObject())
                {
                    subjects.Add(subject.Name);
                    offset++;
                }
            }

            if (offset == from)
            {
                break;
            }
        }
        while (offset < total);

        return subjects;
    }

    /// <summary>
    /// The newest message of a subject; null if there is none. Asked of the stream's leader: a follower may not have yet what was
    /// acknowledged a moment ago.
    /// </summary>
    public async ValueTask<StoredMessage?> GetLastAsync(string subject, CancellationToken cancellationToken) =>
        await GetFromLeaderAsync(Json(writer => writer.WriteString("last_by_subj", subject)), cancellationToken).ConfigureAwait(false);

    /// <summary>A message by number, from any replica of the stream and else from its leader; null if there is none.</summary>
    public async ValueTask<StoredMessage?> GetAsync(ulong sequence, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> request = Json(writer => writer.WriteNumber("seq", sequence));
        return await GetDirectAsync(request, cancellationToken).ConfigureAwait(false)
            ?? await GetFromLeaderAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The first message of a subject, from any replica of the stream and else from its leader; null if there is none.</summary>
    public async ValueTask<StoredMessage?> GetFirstAsync(string subject, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> request = Json(writer =>
        {
            writer.WriteNumber("seq", 0);
            writer.WriteString("next_by_subj", subject);
        });
        return await GetDirectAsync(request, cancellationToken).ConfigureAwait(false)
            ?? await GetFromLeaderAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Publishes a message that replaces all former ones of its subject.</summary>
    /// <param name="subject">Subject.</param>
    /// <param name="data">Content.</param>
    /// <param name="expected">Number of the newest message of the subject, 0 = there must be none.</param>
    /// <param name="cancellationToken">Ends the wait for the answer.</param>
    /// <returns>Its number; null if the newest message is another one.</returns>
    public async ValueTask<ulong?> ReplaceAsync(string subject, ReadOnlyMemory<byte> data, ulong expected, CancellationToken cancellationToken)
    {
        var headers = new NatsHeaders
        {
            [RollupHeader] = "sub",
            [LastSequenceHeader] = expected.ToString(CultureInfo.InvariantCulture),
        };
        NatsMsg<byte[]> answer = await link.RequestAsync<byte[]>(subject, data, headers, cancellationToken).ConfigureAwait(false);
        try
        {
            return ReadAck(answer, subject);
        }
        catch (JetStreamException e) when (e.ErrorCode == JetStreamException.WrongLastSequence)
        {
            return null;
        }
    }

    /// <summary>Removes all messages of a subject. Not on replicated streams: see <see cref="Bucket.RemoveChunksAsync"/>.</summary>
    public async ValueTask PurgeAsync(string subject, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> request = Json(writer => writer.WriteString("filter", subject));
        using JsonDocument answer = await CallAsync($"$JS.API.STREAM.PURGE.{stream}", request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes one message; a missing one is no error.</summary>
    public async ValueTask DeleteMessageAsync(ulong sequence, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> request = Json(writer =>
        {
            writer.WriteNumber("seq", sequence);
            writer.WriteBoolean("no_erase", true);
        });
        try
        {
            using JsonDocument answer = await CallAsync($"$JS.API.STREAM.MSG.DELETE.{stream}", request, cancellationToken).ConfigureAwait(false);
        }
        catch (JetStreamException e) when (!e.IsTransient && e.ErrorCode != JetStreamException.StreamNotFound)
        {
            // The server has several words for "it is gone"; only one that is still there is a failure.
            if (await GetFromLeaderAsync(Json(writer => writer.WriteNumber("seq", sequence)), cancellationToken).ConfigureAwait(false) is { } message)
            {
                message.Dispose();
                throw;
            }
        }
    }

    /// <summary>The number in the acknowledgement of a published message.</summary>
    /// <exception cref="ReplicaException">It was not stored.</exception>
    public static ulong ReadAck(in NatsMsg<byte[]> answer, string subject)
    {
        if (answer.HasNoResponders)
        {
            throw new ReplicaException($"nats: nobody takes messages on {subject}: the bucket's stream is gone or has no leader at the moment", isTransient: true);
        }

        using JsonDocument body = Parse(answer.Data, subject);
        return body.RootElement.TryGetProperty("seq", out JsonElement sequence) && sequence.TryGetUInt64(out ulong number) && number > 0
            ? number
            : throw new ReplicaException($"nats: the answer on {subject} is no acknowledgement", isTransient: true);
    }

    /// <summary>A request of the API with its JSON answer.</summary>
    /// <exception cref="JetStreamException">The server answered with an error.</exception>
    public async ValueTask<JsonDocument> CallAsync(string subject, ReadOnlyMemory<byte> request, CancellationToken cancellationToken)
    {
        NatsMsg<byte[]> answer = await link.RequestAsync<byte[]>(subject, request, null, cancellationToken).ConfigureAwait(false);
        return Parse(answer.Data, subject);
    }

    /// <summary>A JSON object.</summary>
    public static ReadOnlyMemory<byte> Json(Action<Utf8JsonWriter> content)
    {
        var buffer = new ArrayBufferWriter<byte>(128);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            content(writer);
            writer.WriteEndObject();
        }

        return buffer.WrittenMemory;
    }

    private static JsonDocument Parse(byte[]? data, string subject)
    {
        JsonDocument body;
        try
        {
            body = JsonDocument.Parse(data ?? []);
        }
        catch (JsonException e)
        {
            throw new ReplicaException($"nats: the answer on {subject} is not JSON", isTransient: true, e);
        }

        if (body.RootElement.ValueKind == JsonValueKind.Object && !body.RootElement.TryGetProperty("error", out JsonElement error))
        {
            return body;
        }

        using (body)
        {
            error = body.RootElement.ValueKind == JsonValueKind.Object ? body.RootElement.GetProperty("error") : default;
            throw error.ValueKind == JsonValueKind.Object
                ? new JetStreamException(subject, Integer(error, "code"), Integer(error, "err_code"), Text(error, "description"))
                : new ReplicaException($"nats: the answer on {subject} is not understood", isTransient: true);
        }
    }

    private static int Integer(JsonElement from, string name) =>
        from.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : 0;

    private static string Text(JsonElement from, string name) =>
        from.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private async ValueTask<StoredMessage?> GetFromLeaderAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken)
    {
        try
        {
            using JsonDocument answer = await CallAsync($"$JS.API.STREAM.MSG.GET.{stream}", request, cancellationToken).ConfigureAwait(false);
            JsonElement message = answer.RootElement.GetProperty("message");
            byte[] data = message.TryGetProperty("data", out JsonElement encoded) ? encoded.GetBytesFromBase64() : [];
            NatsMemoryOwner<byte> owner = NatsMemoryOwner<byte>.Allocate(data.Length);
            data.CopyTo(owner.Span);
            return new StoredMessage(
                message.GetProperty("subject").GetString() ?? "",
                message.GetProperty("seq").GetUInt64(),
                message.TryGetProperty("time", out JsonElement time) ? Transport.HeaderTime.Parse(time.GetString()) : null,
                owner);
        }
        catch (JetStreamException e) when (e.ErrorCode == JetStreamException.NoMessageFound)
        {
            return null;
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new ReplicaException($"nats: the answer on $JS.API.STREAM.MSG.GET.{stream} is not understood", isTransient: true, e);
        }
    }

    /// <summary>Null also where the stream does not allow direct reads, or the replica asked is behind.</summary>
    private async ValueTask<StoredMessage?> GetDirectAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken)
    {
        if (!AllowsDirect)
        {
            return null;
        }

        NatsMsg<NatsMemoryOwner<byte>> answer = await link.RequestAsync<NatsMemoryOwner<byte>>(
            $"$JS.API.DIRECT.GET.{stream}", request, null, cancellationToken).ConfigureAwait(false);

        string? subject = answer.Headers?["Nats-Subject"];
        if (subject is not null
            && ulong.TryParse(answer.Headers!["Nats-Sequence"], NumberStyles.None, CultureInfo.InvariantCulture, out ulong sequence))
        {
            return new StoredMessage(subject, sequence, null, answer.Data);
        }

        answer.Data.Dispose();
        return null;
    }
}
