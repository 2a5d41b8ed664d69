namespace Litestream.Capture;

/// <summary>The read lock does not protect the WAL any more; the database is opened anew and continuity is decided from nothing.</summary>
/// <param name="message">What happened.</param>
/// <param name="filesReplaced">True if another file is at the path: nothing captured before says anything about it, so a full copy must follow (trap B12).</param>
internal sealed class LockLostException(string message, bool filesReplaced) : IOException(message)
{
    /// <summary>True if a full copy must follow.</summary>
    public bool FilesReplaced { get; } = filesReplaced;
}
