namespace Litestream.Storage;

/// <summary>What the file system knows about a path without opening it.</summary>
/// <param name="Kind">Regular file, directory or other.</param>
/// <param name="Size">Bytes.</param>
/// <param name="ModifiedAt">Modification time, UTC.</param>
/// <param name="Device">Device number; with <paramref name="Inode"/> it is the identity of the file.</param>
/// <param name="Inode">Inode number.</param>
/// <param name="Ownership">Mode and owner.</param>
public readonly record struct FileStatus(
    FileKind Kind, long Size, DateTimeOffset ModifiedAt, ulong Device, ulong Inode, FileOwnership Ownership);

/// <summary>Kind of a directory entry, symbolic links followed.</summary>
public enum FileKind
{
    /// <summary>A regular file.</summary>
    Regular,

    /// <summary>A directory.</summary>
    Directory,

    /// <summary>Anything else.</summary>
    Other,
}

/// <summary>Permission bits (e.g. 0644) and numeric owner of a file.</summary>
/// <param name="Mode">Lower 12 bits of the mode.</param>
/// <param name="UserId">Owner, or -1 to leave it.</param>
/// <param name="GroupId">Group, or -1 to leave it.</param>
public readonly record struct FileOwnership(int Mode, int UserId, int GroupId)
{
    /// <summary>What a program gets that asks for nothing: 0666 without the bits of the umask, and the process's own user.</summary>
    public static FileOwnership ProcessDefault => new(-1, -1, -1);
}

/// <summary>A name in a directory.</summary>
/// <param name="Name">Without the directory.</param>
/// <param name="Kind">Kind, symbolic links followed.</param>
/// <param name="IsLink">Whether the name is a symbolic link, as far as the file system says so in its listing.</param>
public readonly record struct DirectoryEntry(string Name, FileKind Kind, bool IsLink = false);
