using Litestream.Storage;

namespace Litestream.State;

/// <summary>
/// The lock of a state directory, <c>&lt;state&gt;/lock</c>: who replicates a database holds it, so that two processes never number its
/// transactions side by side (decision D35), and nobody resets a state that is in use.
/// </summary>
public static class StateDirectoryLock
{
    /// <summary>Takes the lock of a database's state directory.</summary>
    /// <param name="files">The file system of the state directory, which exists.</param>
    /// <param name="database">The database.</param>
    /// <returns>What to dispose to release it; null if another process holds it.</returns>
    public static IDisposable? TryAcquire(IFileSystem files, DatabaseOptions database)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(database);
        return files.TryLock(PathOf(database));
    }

    /// <summary>Whether a process replicates the database now.</summary>
    /// <param name="files">The file system of the state directory.</param>
    /// <param name="database">The database.</param>
    public static bool IsHeld(IFileSystem files, DatabaseOptions database)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(database);
        if (files.Stat(PathOf(database)) is null)
        {
            return false;
        }

        using IDisposable? held = TryAcquire(files, database);
        return held is null;
    }

    internal static string PathOf(DatabaseOptions database) => Path.Combine(database.StateDirectory, "lock");
}

/// <summary>Another process replicates the database from the same state directory.</summary>
/// <param name="database">Path of the database.</param>
/// <param name="lockFile">The lock that is held.</param>
public sealed class StateInUseException(string database, string lockFile)
    : IOException($"another litestream process replicates {database} (it holds {lockFile}): stop one of the two");
