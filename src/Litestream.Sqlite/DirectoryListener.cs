namespace Litestream.Sqlite;

/// <summary>Listens to the names that come and go in one directory, not below it.</summary>
public sealed class DirectoryListener : IDisposable
{
    private readonly ChangeNotifier _notifier;
    private readonly Action<DirectoryListener, DirectoryChange> _onChange;
    private volatile bool _disposed;

    internal DirectoryListener(ChangeNotifier notifier, string path, Action<DirectoryListener, DirectoryChange> onChange)
    {
        _notifier = notifier;
        _onChange = onChange;
        Path = path;
    }

    /// <summary>The directory.</summary>
    public string Path { get; }

    /// <summary>Why the directory cannot be watched, in words; null = it is watched, or it is gone. Poll then.</summary>
    public string? Problem { get; internal set; }

    /// <summary>The kernel's watch; null = none. Guarded by the notifier's lock.</summary>
    internal DirectoryWatch? Watch { get; set; }

    /// <summary>Ends the listening. A callback that is just running may end after this returns.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _notifier.Unregister(this);
        }
    }

    internal void Notify(DirectoryChange change)
    {
        if (!_disposed)
        {
            _onChange(this, change);
        }
    }
}
