using System.Globalization;
using System.Text;
using Litestream.Storage;

namespace Litestream;

/// <summary>How many files this process may have open, and how many a number of databases needs.</summary>
internal static class DescriptorLimit
{
    /// <summary>Three of SQLite (database, -wal, -shm) and the lock on the state directory.</summary>
    public const int PerDatabase = 4;

    /// <summary>For what runs at the same time: databases at work have two or three more, and every upload opens its file.</summary>
    public const int Reserve = 512;

    private const string Limits = "/proc/self/limits";

    private const string OpenFiles = "Max open files";

    private const int MaximumBytes = 16 << 10;

    /// <summary>Descriptors that so many databases need.</summary>
    public static long Needed(int databases) => ((long)databases * PerDatabase) + Reserve;

    /// <summary>The soft limit; null if there is none or it cannot be known.</summary>
    public static long? Read(IFileSystem fileSystem)
    {
        string text;
        try
        {
            using IFile file = fileSystem.OpenRead(Limits);
            byte[] bytes = new byte[MaximumBytes];
            int length = 0;
            while (length < bytes.Length && file.Read(bytes.AsSpan(length), length) is > 0 and int read)
            {
                length += read;
            }

            text = Encoding.ASCII.GetString(bytes, 0, length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        // Max open files            1024                 1048576              files
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            if (line.StartsWith(OpenFiles, StringComparison.Ordinal))
            {
                ReadOnlySpan<char> rest = line[OpenFiles.Length..].TrimStart();
                int end = rest.IndexOf(' ');
                return long.TryParse(end < 0 ? rest : rest[..end], NumberStyles.None, CultureInfo.InvariantCulture, out long limit) ? limit : null;
            }
        }

        return null;
    }
}
