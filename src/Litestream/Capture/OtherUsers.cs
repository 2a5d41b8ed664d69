using System.Globalization;
using System.Text;
using Litestream.Storage;

namespace Litestream.Capture;

/// <summary>
/// Whether another process has a database open. Every connection in WAL mode holds a shared lock on the database file, and Linux
/// lists all locks with their inode in <c>/proc/locks</c>: no file of the database has to be touched to find out (trap C1). The table
/// holds the locks of everybody, so thousands of databases that end together read it once in a while, not once each: it may be as old
/// as <see cref="Freshness"/>. Who came since is not seen, which costs a full copy and no more (decision 0012).
/// </summary>
internal sealed class OtherUsers(TimeProvider time)
{
    /// <summary>How old the table may be.</summary>
    public static readonly TimeSpan Freshness = TimeSpan.FromSeconds(1);

    private const string LockTable = "/proc/locks";

    private const int MaximumTableBytes = 16 << 20;

    private const int ChunkBytes = 16 << 10;

    private readonly Lock gate = new();
    private HashSet<ulong>? inodes;
    private long readAt;

    /// <summary>
    /// True if somebody else's lock on the database file shows. False also where that cannot be known (another platform, a process
    /// in another container): callers must be safe with either answer. Two files of different devices with the same number count as one.
    /// </summary>
    public bool Exist(IFileSystem fileSystem, string databasePath, int ownProcessId)
    {
        if (fileSystem.Stat(databasePath) is not { } status)
        {
            return false;
        }

        lock (gate)
        {
            if (inodes is null || time.GetElapsedTime(readAt) >= Freshness)
            {
                readAt = time.GetTimestamp();
                inodes = ReadTable(fileSystem, ownProcessId);
            }

            return inodes.Contains(status.Inode);
        }
    }

    /// <summary>The files that other processes hold POSIX locks on.</summary>
    private static HashSet<ulong> ReadTable(IFileSystem fileSystem, int ownProcessId)
    {
        var found = new HashSet<ulong>();
        Span<Range> fields = stackalloc Range[9];
        foreach (ReadOnlySpan<char> line in ReadText(fileSystem).AsSpan().EnumerateLines())
        {
            // 1: POSIX  ADVISORY  READ 4711 08:01:131 1073741826 1073742335
            int count = line.Split(fields, ' ', StringSplitOptions.RemoveEmptyEntries);
            if (count >= 8
                && line[fields[1]].SequenceEqual("POSIX")
                && int.TryParse(line[fields[4]], CultureInfo.InvariantCulture, out int processId)
                && processId != ownProcessId)
            {
                ReadOnlySpan<char> file = line[fields[5]];
                if (ulong.TryParse(file[(file.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture, out ulong inode))
                {
                    found.Add(inode);
                }
            }
        }

        return found;
    }

    private static string ReadText(IFileSystem fileSystem)
    {
        try
        {
            using IFile file = fileSystem.OpenRead(LockTable);
            var bytes = new MemoryStream();
            byte[] chunk = new byte[ChunkBytes];
            while (bytes.Length < MaximumTableBytes && file.Read(chunk, bytes.Length) is > 0 and int read)
            {
                bytes.Write(chunk, 0, read);
            }

            return Encoding.ASCII.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
