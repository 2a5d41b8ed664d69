using System.Text;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>
/// The side file <c>&lt;database&gt;-txid</c>: up to which transaction a restored database was brought (store-and-restore §12).
/// 16 lower-case hex digits and a newline. Never ahead of the database: it is removed before another file takes the database's name
/// and written after that. Where there is no database yet, a follower writes it first, so that none is ever without it.
/// </summary>
internal static class TxidFile
{
    private const int MaxSize = 64;

    /// <summary>Path of the side file of a database.</summary>
    internal static string PathOf(string databasePath) => databasePath + "-txid";

    /// <summary>Reads the side file.</summary>
    /// <param name="files">Where the database is.</param>
    /// <param name="databasePath">Absolute path of the database, not of the side file.</param>
    /// <returns>The transaction, or null if there is no side file.</returns>
    /// <exception cref="IOException">It is empty, malformed or cannot be read.</exception>
    internal static Txid? Read(IFileSystem files, string databasePath)
    {
        string path = PathOf(databasePath);
        if (files.Stat(path) is not { } status)
        {
            return null;
        }

        byte[] content = new byte[MaxSize];
        int count = 0;
        if (status.Kind == FileKind.Regular)
        {
            using IFile file = files.OpenRead(path);
            count = file.Read(content, 0);
        }

        string text = Encoding.ASCII.GetString(content, 0, count).Trim();
        return Txid.TryParse(text, out Txid txid) && !txid.IsNone
            ? txid
            : throw new IOException($"{path} does not hold a transaction (16 hex digits): remove it together with the database to restore again");
    }

    /// <summary>Replaces the side file durably and atomically.</summary>
    /// <param name="files">Where the database is.</param>
    /// <param name="databasePath">Absolute path of the database, not of the side file.</param>
    /// <param name="txid">The transaction that the database, already durable, contains.</param>
    internal static void Write(IFileSystem files, string databasePath, Txid txid)
    {
        string path = PathOf(databasePath);
        string temporary = path + ".tmp";
        using (IFile file = files.Create(temporary, files.Stat(databasePath)?.Ownership))
        {
            file.Write(Encoding.ASCII.GetBytes(txid + "\n"), 0);
            file.Sync();
        }

        files.Rename(temporary, path);
        files.SyncDirectory(Path.GetDirectoryName(path)!);
    }
}
