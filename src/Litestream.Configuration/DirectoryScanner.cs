using Litestream.Storage;

namespace Litestream.Configuration;

/// <summary>Finds the databases of a directory entry (§5): files whose name matches and that begin with SQLite's header.</summary>
internal sealed class DirectoryScanner(IFileSystem files)
{
    private const int MaxDepth = 128;

    private static ReadOnlySpan<byte> Magic => "SQLite format 3\0"u8;

    /// <summary>Paths of the databases below a directory in the order of their names.</summary>
    /// <exception cref="ConfigurationException">The directory is missing or cannot be read, or the pattern is malformed.</exception>
    public IReadOnlyList<string> Scan(DatabaseEntry entry)
    {
        try
        {
            GlobPattern pattern = new(entry.Pattern);
            if (files.Stat(entry.Directory) is not { } status)
            {
                throw new ConfigurationException($"failed to scan directory {entry.Directory}: lstat {entry.Directory}: no such file or directory");
            }

            List<string> found = [];
            if (status.Kind == FileKind.Directory)
            {
                // The root may be a symbolic link (trap B30); links below it are not entered, so the walk ends.
                Walk(entry.Directory, entry.Recursive ? MaxDepth : 0, pattern, found);
            }

            return found;
        }
        catch (FormatException e)
        {
            throw new ConfigurationException($"failed to scan directory {entry.Directory}: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"failed to scan directory {entry.Directory}: {e.Message}", e);
        }
    }

    /// <summary>Whether a path is one that the entry covers; nothing on disk is looked at.</summary>
    public static bool Covers(DatabaseEntry entry, string path)
    {
        if (!path.StartsWith(entry.Directory + "/", StringComparison.Ordinal))
        {
            return false;
        }

        string relative = path[(entry.Directory.Length + 1)..];
        return (entry.Recursive || !relative.Contains('/', StringComparison.Ordinal))
            && new GlobPattern(entry.Pattern).IsMatch(relative[(relative.LastIndexOf('/') + 1)..]);
    }

    private void Walk(string directory, int depth, GlobPattern pattern, List<string> found)
    {
        foreach (DirectoryEntry item in files.List(directory).OrderBy(e => e.Name, StringComparer.Ordinal))
        {
            string path = directory + "/" + item.Name;
            if (item.Kind == FileKind.Directory)
            {
                if (depth > 0 && new DirectoryInfo(path).LinkTarget is null)
                {
                    Walk(path, depth - 1, pattern, found);
                }
            }
            else if (item.Kind == FileKind.Regular && pattern.IsMatch(item.Name) && IsDatabase(path))
            {
                found.Add(path);
            }
        }
    }

    private bool IsDatabase(string path)
    {
        using IFile file = files.OpenRead(path);
        Span<byte> head = stackalloc byte[16];
        return file.Read(head, 0) == head.Length && head.SequenceEqual(Magic);
    }
}
