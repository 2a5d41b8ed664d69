namespace Litestream.Storage.Nats;

/// <summary>The JetStream server answered a request with an error.</summary>
/// <param name="what">The request and its object.</param>
/// <param name="code">Code in the manner of HTTP.</param>
/// <param name="errorCode">The server's own code.</param>
/// <param name="description">Its words.</param>
internal sealed class JetStreamException(string what, int code, int errorCode, string description)
    : ReplicaException($"nats: {what}: {description} (code {code}, error {errorCode})", isTransient: code is 408 or 429 or >= 500)
{
    public const int StreamNotFound = 10059;
    public const int NoMessageFound = 10037;
    public const int WrongLastSequence = 10071;

    public int Code { get; } = code;

    public int ErrorCode { get; } = errorCode;

    public string Description { get; } = description;
}
