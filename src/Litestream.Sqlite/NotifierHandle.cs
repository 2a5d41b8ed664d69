namespace Litestream.Sqlite;

/// <summary>
/// One database's place in the <see cref="ChangeNotifier"/>. A watch reports one change and is gone; the owner arms it again
/// when it wants to hear of the next one, so commits in between cost no wake-up at all.
/// </summary>
/// <remarks>To lose nothing: <see cref="Arm"/> first, then look at the database, then wait for the callback.</remarks>
public sealed class NotifierHandle : IDisposable
{
    private const string WalSuffix = "-wal";

    private readonly ChangeNotifier _notifier;
    private readonly string _fileName;
    private readonly Action _onChange;
    private volatile bool _disposed;

    internal NotifierHandle(ChangeNotifier notifier, string walPath, Action onChange)
    {
        _notifier = notifier;
        _onChange = onChange;
        WalPath = walPath;
        _fileName = Path.GetFileName(walPath);
        Directory = Path.GetDirectoryName(walPath) ?? "/";
    }

    /// <summary>The WAL file; for a directory, where its files appear.</summary>
    public string WalPath { get; }

    /// <summary>Why the last <see cref="Arm"/> could watch neither file nor directory, in words; null = it could. Poll then.</summary>
    public string? Problem { get; internal set; }

    /// <summary>For a handle on a directory: end of the names that count. Null = the handle is for one WAL file.</summary>
    internal string? NameSuffix { get; init; }

    /// <summary>Directory of the WAL file, or the watched one.</summary>
    internal string Directory { get; }

    /// <summary>Kernel watch of the file while armed on it; -1 otherwise. Guarded by the notifier's lock.</summary>
    internal int Watch { get; set; } = -1;

    /// <summary>The directory in which the handle waits for the file to appear; null = it does not. Guarded by the notifier's lock.</summary>
    internal DirectoryWatch? Waiting { get; set; }

    /// <summary>Next handle armed on the same kernel watch (two paths may lead to one file).</summary>
    internal NotifierHandle? NextOnWatch { get; set; }

    /// <summary>
    /// Asks for one call of the callback at the next change: the file is written, cut, renamed or unlinked. When the file is
    /// missing, at the creation of it or of the database file. Arming twice is harmless; calls may be spurious, never missing.
    /// </summary>
    /// <returns>True = the file, or the directory asked for, is watched. False = it is missing and its directory is watched, or see <see cref="Problem"/>.</returns>
    public bool Arm()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _notifier.Arm(this);
    }

    /// <summary>Ends the watching. A callback that is just running may end after this returns.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _notifier.Unregister(this);
        }
    }

    /// <summary>
    /// Whether a name in the directory is the WAL file, or the database file: before the first write there is neither. For a directory:
    /// whether its end is the wanted one.
    /// </summary>
    internal bool Awaits(string fileName) => NameSuffix is not null
        ? fileName.EndsWith(NameSuffix, StringComparison.Ordinal)
        : _fileName == fileName
        || (_fileName.Length == fileName.Length + WalSuffix.Length
            && _fileName.StartsWith(fileName, StringComparison.Ordinal)
            && _fileName.EndsWith(WalSuffix, StringComparison.Ordinal));

    internal void Notify()
    {
        if (!_disposed)
        {
            _onChange();
        }
    }
}
