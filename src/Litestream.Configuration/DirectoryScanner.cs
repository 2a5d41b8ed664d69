using Litestream.Directories;
using Litestream.Storage;

namespace Litestream.Configuration;

/// <summary>Finds the databases of a directory entry (§5): files whose name matches and that begin with SQLite's header.</summary>
internal sealed class DirectoryScanner(IFileSystem files)
{
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
                var finder = new DatabaseFinder(files, pattern.IsMatch, entry.Recursive);
                finder.Walk(entry.Directory, static _ => true, path =>
                {
                    if (finder.IsDatabase(path))
                    {
                        found.Add(path);
                    }
                });
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
}
