namespace Litestream.Sqlite;

/// <summary>A directory that is watched: WAL files in it are awaited, or somebody listens to it. Guarded by the notifier's lock.</summary>
/// <param name="watch">The kernel's number of the watch; two paths to one directory share it.</param>
internal sealed class DirectoryWatch(int watch)
{
    internal int Watch { get; } = watch;

    internal HashSet<NotifierHandle> Waiting { get; } = [];

    internal List<DirectoryListener> Listeners { get; } = [];

    internal bool IsUnused => Waiting.Count == 0 && Listeners.Count == 0;
}
