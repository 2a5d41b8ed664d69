namespace Litestream.Sqlite;

/// <summary>A directory that is watched while WAL files in it are awaited. Guarded by the notifier's lock.</summary>
/// <param name="watch">The kernel's number of the watch; two paths to one directory share it.</param>
internal sealed class DirectoryWatch(int watch)
{
    internal int Watch { get; } = watch;

    internal HashSet<NotifierHandle> Waiting { get; } = [];
}
