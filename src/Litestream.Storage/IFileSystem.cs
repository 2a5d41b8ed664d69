namespace Litestream.Storage;

/// <summary>
/// The file-system seam: the only way to files outside SQLite itself. A real, an in-memory and a fault-injecting implementation
/// exist. Paths are absolute. Errors are the usual <see cref="IOException"/> family; "disk full" is <see cref="DiskFullException"/>.
/// </summary>
public interface IFileSystem
{
    /// <summary>Opens an existing file for reading. No advisory lock is taken (replication trap C3).</summary>
    IFile OpenRead(string path);

    /// <summary>Creates a file, or empties an existing one, for reading and writing.</summary>
    /// <param name="path">Absolute path; the directory must exist.</param>
    /// <param name="owner">Mode and owner for a new file; null = 0600 and the process's own.</param>
    IFile Create(string path, FileOwnership? owner = null);

    /// <summary>Size, times, identity and ownership, or null if there is nothing at the path. Never opens the file (trap C1).</summary>
    FileStatus? Stat(string path);

    /// <summary>Names in a directory with their kind, unordered; empty when the directory does not exist.</summary>
    IReadOnlyList<DirectoryEntry> List(string path);

    /// <summary>Creates a directory and its missing parents and makes every created one durable in its parent.</summary>
    void CreateDirectory(string path, FileOwnership? owner = null);

    /// <summary>Renames atomically, replacing the target. Durable only after <see cref="SyncDirectory"/>.</summary>
    void Rename(string from, string to);

    /// <summary>Gives an existing file a second name; fails with <see cref="FileExistsException"/> if that name is taken.</summary>
    /// <exception cref="NotSupportedException">The file system knows no hard links.</exception>
    void Link(string existing, string created);

    /// <summary>Removes a file; a missing one is not an error.</summary>
    void Delete(string path);

    /// <summary>Removes a directory with everything below it; a missing one is not an error.</summary>
    void DeleteTree(string path);

    /// <summary>Makes creations, renames and removals in a directory durable (no-op where the platform has no such call).</summary>
    void SyncDirectory(string path);

    /// <summary>
    /// Takes the lock that a file stands for; the file is created if it is missing, and never removed. The kernel releases it with the
    /// process.
    /// </summary>
    /// <returns>What to dispose to release it; null if another process, or this one, holds it.</returns>
    IDisposable? TryLock(string path);

    /// <summary>Sets access and modification time of a file.</summary>
    void SetTimes(string path, DateTimeOffset time);
}
