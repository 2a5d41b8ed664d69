namespace Litestream.Storage.S3;

/// <summary>A request that the server refused, with the server's code for those who know what it means for them.</summary>
/// <param name="message">What happened, where, and what to do next.</param>
/// <param name="error">What the server says.</param>
/// <param name="isTransient">Whether another attempt may succeed.</param>
internal sealed class S3Exception(string message, S3Error error, bool isTransient) : ReplicaException(message, isTransient)
{
    /// <summary>What the server says.</summary>
    public S3Error Error { get; } = error;
}
