namespace Litestream.Storage.Transport;

/// <summary>The store asks to slow down: 429, 503 <c>SlowDown</c> and the like.</summary>
/// <param name="message">What was refused.</param>
/// <param name="retryAfter">How long the store asks to wait; null if it does not say.</param>
/// <param name="innerException">The cause.</param>
public sealed class ThrottledException(string message, TimeSpan? retryAfter, Exception? innerException = null)
    : ReplicaException(message, isTransient: true, innerException)
{
    /// <summary>How long the store asks to wait; null if it does not say.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}
