using System.Globalization;
using System.Text;
using Litestream.Storage;

namespace Litestream.Capture;

/// <summary>
/// Whether another process has the database open. Every connection in WAL mode holds a shared lock on the database file, and Linux
/// lists all locks with their inode in <c>/proc/locks</c>: no file of the database has to be touched to find out (trap C1).
/// </summary>
internal static class OtherUsers
{
    private const string LockTable = "/proc/locks";

    private const int MaximumTableBytes = 16 << 20;

    /// <summary>
    /// True if somebody else's lock on the database file shows. False also where that cannot be known (another platform, a process
    /// in another container): callers must be safe with either answer.
    /// </summary>
    public static bool Exist(IFileSystem fileSystem, string databasePath, int ownProcessId)
    {
        if (fileSystem.Stat(databasePath) is not { } status || ReadTable(fileSystem) is not { } table)
        {
            return false;
        }

        string inode = ":" + status.Inode.ToString(CultureInfo.InvariantCulture);
        Span<Range> fields = stackalloc Range[9];
        foreach (ReadOnlySpan<char> line in table.AsSpan().EnumerateLines())
        {
            // 1: POSIX  ADVISORY  READ 4711 08:01:131 1073741826 1073742335
            int count = line.Split(fields, ' ', StringSplitOptions.RemoveEmptyEntries);
            if (count >= 8
                && line[fields[1]].SequenceEqual("POSIX")
                && line[fields[5]].EndsWith(inode, StringComparison.Ordinal)
                && int.TryParse(line[fields[4]], CultureInfo.InvariantCulture, out int processId)
                && processId != ownProcessId)
            {
                return true;
            }
        }

        return false;
    }

    private static string? ReadTable(IFileSystem fileSystem)
    {
        try
        {
            using IFile file = fileSystem.OpenRead(LockTable);
            var bytes = new MemoryStream();
            byte[] chunk = new byte[16 << 10];
            while (bytes.Length < MaximumTableBytes && file.Read(chunk, bytes.Length) is > 0 and int read)
            {
                bytes.Write(chunk, 0, read);
            }

            return Encoding.ASCII.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
