using System.Globalization;

namespace Litestream.Storage.Nats;

/// <summary>
/// What the reply subject of a consumer's message tells: <c>$JS.ACK.[domain.account.]stream.consumer.deliveries.stream-sequence.consumer-sequence.time.pending[.random]</c>.
/// </summary>
internal readonly record struct AckSubject(ulong StreamSequence, ulong ConsumerSequence, DateTimeOffset Time, ulong Pending)
{
    private const int ShortTokens = 9;
    private const int LongTokens = 11;

    public static AckSubject? Parse(string? subject)
    {
        string[] tokens = subject?.Split('.') ?? [];
        int first = tokens.Length == ShortTokens ? 5 : tokens.Length >= LongTokens ? 7 : -1;
        return first > 0 && tokens[0] == "$JS" && tokens[1] == "ACK"
            && Number(tokens[first], out ulong stream) && Number(tokens[first + 1], out ulong consumer)
            && Number(tokens[first + 2], out ulong nanoseconds) && Number(tokens[first + 3], out ulong pending)
            ? new AckSubject(stream, consumer, DateTimeOffset.UnixEpoch.AddTicks((long)(nanoseconds / 100)), pending)
            : null;
    }

    private static bool Number(string text, out ulong value) => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
