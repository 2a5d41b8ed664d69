using Litestream.Storage;

namespace Litestream.Capture;

/// <summary>
/// Device and inode of the database, its <c>-wal</c> and its <c>-shm</c>, by stat and never by opening (traps C1, C2). When one of
/// them was replaced or unlinked, our lock guards a file that nobody uses any more (trap B12, C17).
/// </summary>
internal readonly record struct FileIdentity((ulong, ulong) Database, (ulong, ulong) Wal, (ulong, ulong) SharedMemory)
{
    /// <summary>What is at the three paths now; zeros for a missing file.</summary>
    /// <param name="fileSystem">Where.</param>
    /// <param name="databasePath">The database file after symbolic links.</param>
    /// <param name="wal">What the WAL file looks like now; null if it is missing.</param>
    public static FileIdentity Of(IFileSystem fileSystem, string databasePath, out FileStatus? wal)
    {
        wal = fileSystem.Stat(databasePath + "-wal");
        return new FileIdentity(Of(fileSystem.Stat(databasePath)), Of(wal), Of(fileSystem.Stat(databasePath + "-shm")));
    }

    private static (ulong Device, ulong Inode) Of(FileStatus? status) => status is { } s ? (s.Device, s.Inode) : default;
}
