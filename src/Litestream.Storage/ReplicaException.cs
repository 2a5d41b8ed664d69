namespace Litestream.Storage;

/// <summary>A storage operation failed. The message names the operation, the object and what to do next.</summary>
public class ReplicaException : IOException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What happened, where, and what to do next.</param>
    /// <param name="isTransient">True if a later attempt may succeed without anybody changing anything.</param>
    /// <param name="innerException">The cause.</param>
    public ReplicaException(string message, bool isTransient = true, Exception? innerException = null)
        : base(message, innerException) => IsTransient = isTransient;

    /// <summary>True if a later attempt may succeed without anybody changing anything.</summary>
    public bool IsTransient { get; }
}
