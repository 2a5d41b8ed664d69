namespace Litestream.Storage.Files;

/// <summary>
/// A lock of a file that this process holds. Released by itself and not only by closing: a child that is just being started has a copy of
/// the descriptor until it runs its own program, and would hold the lock for that long.
/// </summary>
internal sealed class FileLock(LocalFile file, int descriptor) : IDisposable
{
    private LocalFile? open = file;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref open, null) is { } held)
        {
            _ = LibC.Lock(descriptor, LibC.LockRelease);
            held.Dispose();
        }
    }
}
