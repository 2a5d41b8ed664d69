using Litestream.Storage;

namespace Litestream.Directories;

/// <summary>
/// Walks a directory for databases: files whose name matches and that begin with SQLite's header (cli-config-control §5).
/// </summary>
/// <param name="files">File system.</param>
/// <param name="matches">Whether the name of a file is one of those looked for.</param>
/// <param name="recursive">Whether directories below are entered; symbolic links to directories are not, so that the walk ends.</param>
public sealed class DatabaseFinder(IFileSystem files, Func<string, bool> matches, bool recursive)
{
    private const int MaxDepth = 128;

    private static readonly string[] SideFiles = ["-wal", "-shm", "-journal"];

    private static ReadOnlySpan<byte> Magic => "SQLite format 3\0"u8;

    /// <summary>Whether a file name can be a database's: it matches, and it is no side file of one (#1055: those come by the thousand).</summary>
    /// <param name="name">Name without directory.</param>
    public bool IsCandidate(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return matches(name) && !SideFiles.Any(suffix => name.EndsWith(suffix, StringComparison.Ordinal));
    }

    /// <summary>Whether a name is that of a default state directory, which holds no databases.</summary>
    /// <param name="name">Name without directory.</param>
    public static bool IsStateDirectory(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.StartsWith('.') && name.EndsWith("-litestream", StringComparison.Ordinal);
    }

    /// <summary>Walks a directory. What is found is not opened.</summary>
    /// <param name="directory">Absolute path; may be a symbolic link itself (trap B30).</param>
    /// <param name="enter">Asked for each directory before it is listed, the first one included; false = it is left out.</param>
    /// <param name="found">Called with the path of each candidate, in the order of names.</param>
    /// <exception cref="IOException">A directory cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">A directory may not be read.</exception>
    public void Walk(string directory, Func<string, bool> enter, Action<string> found)
    {
        ArgumentNullException.ThrowIfNull(enter);
        ArgumentNullException.ThrowIfNull(found);
        Walk(directory, recursive ? MaxDepth : 0, enter, found);
    }

    /// <summary>
    /// Whether a file begins as a database does. Never for a file that this process has open as a database: closing any descriptor of it
    /// drops SQLite's locks (replication trap C1).
    /// </summary>
    /// <param name="path">Absolute path.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public bool IsDatabase(string path)
    {
        if (files.Stat(path) is not { Kind: FileKind.Regular } status || status.Size < Magic.Length)
        {
            return false;
        }

        using IFile file = files.OpenRead(path);
        Span<byte> head = stackalloc byte[16];
        return file.Read(head, 0) == head.Length && head.SequenceEqual(Magic);
    }

    private void Walk(string directory, int depth, Func<string, bool> enter, Action<string> found)
    {
        if (!enter(directory))
        {
            return;
        }

        foreach (DirectoryEntry item in files.List(directory).OrderBy(e => e.Name, StringComparer.Ordinal))
        {
            string path = directory + "/" + item.Name;
            if (item.Kind == FileKind.Directory)
            {
                if (depth > 0 && !item.IsLink && !IsStateDirectory(item.Name))
                {
                    Walk(path, depth - 1, enter, found);
                }
            }
            else if (item.Kind == FileKind.Regular && IsCandidate(item.Name))
            {
                found(path);
            }
        }
    }
}
