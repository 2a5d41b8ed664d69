using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.Verify;

namespace Litestream.Capture;

/// <summary>A database at the end of one transaction, ready to be written as a snapshot 1-n.</summary>
internal sealed class SnapshotSource(SqliteConnection connection, Txid txid, WalCursor cursor, DateTimeOffset time) : IDisposable
{
    /// <summary>The transaction whose state this is.</summary>
    public Txid Txid { get; } = txid;

    /// <summary>Most bytes that <see cref="WriteTo"/> will write: every page incompressible, and its entry in the index.</summary>
    public long MaxLength => (long)cursor.Commit * LtxFormat.MaxStoredPageSize(connection.PageSize);

    /// <summary>Encodes all pages, front to back, in constant memory.</summary>
    public void WriteTo(Stream destination, CancellationToken cancellationToken)
    {
        int pageSize = connection.PageSize;
        var header = new LtxHeader
        {
            Flags = LtxFormat.NoChecksum,
            PageSize = pageSize,
            Commit = cursor.Commit,
            MinTxid = new Txid(1),
            MaxTxid = Txid,
            Timestamp = time.ToUnixTimeMilliseconds(),
            WalOffset = WalOffsets.EndOfFrame(cursor.Frame > 0 ? cursor.Frame - 1 : 0, pageSize),
            WalSize = cursor.Frame > 0 ? WalOffsets.FrameHeaderSize + pageSize : 0,
            WalSalt1 = cursor.Salt1,
            WalSalt2 = cursor.Salt2,
        };
        using var writer = new LtxWriter(destination, header, leaveOpen: true);
        DatabaseCopy.WritePages(connection, header.Commit, writer, cancellationToken);
        writer.Finish();
    }

    /// <summary>Checksums of all pages.</summary>
    public DatabaseDigest Digest(CancellationToken cancellationToken) => DatabaseDigest.Of(connection, cancellationToken);

    /// <summary>Ends the read transaction.</summary>
    public void Dispose() => connection.Dispose();
}
