using System.Text;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Follow;

/// <summary>
/// The side file <c>&lt;database&gt;-txid</c>: 16 hex digits and a newline, the transaction up to which the database is known to follow.
/// Never ahead of the database: it is written after each commit, and a file applied twice changes nothing.
/// </summary>
internal sealed class TxidFile(IFileSystem files, string databasePath)
{
    /// <summary>More than the 17 bytes that are written: white space around is accepted.</summary>
    private const int MaxSize = 64;

    private readonly string _path = databasePath + "-txid";

    /// <summary>Reads the transaction.</summary>
    /// <exception cref="FollowException">There is no such file, or it holds something else.</exception>
    internal Txid Read()
    {
        if (files.Stat(_path) is not { Kind: FileKind.Regular } status)
        {
            throw new FollowException(
                $"cannot resume follow mode: database exists but no -txid file found; delete the database to re-restore: {databasePath}");
        }

        Span<byte> content = stackalloc byte[MaxSize];
        string text = "";
        if (status.Size <= MaxSize)
        {
            using IFile file = files.OpenRead(_path);
            text = Encoding.ASCII.GetString(content[..file.Read(content, 0)]).Trim();
        }

        return Txid.TryParse(text, out Txid txid) && !txid.IsNone
            ? txid
            : throw new FollowException(
                $"cannot resume follow mode: {_path} does not hold a transaction id; delete it and the database to re-restore: {databasePath}");
    }

    /// <summary>Replaces the file durably: the old or the new content is there, whatever happens.</summary>
    internal void Write(Txid txid)
    {
        string temp = _path + ".tmp";
        using (IFile file = files.Create(temp, FileOwnership.ProcessDefault))
        {
            file.Write(Encoding.ASCII.GetBytes(txid + "\n"), 0);
            file.Sync();
        }

        files.Rename(temp, _path);
        files.SyncDirectory(Path.GetDirectoryName(_path)!);
    }
}
