using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.State;

namespace Litestream.Capture;

/// <summary>Encodes what was captured as level-0 files (replication §7.4 to §7.7).</summary>
internal sealed class LevelZeroWriter(LocalLtxDirectory directory, TimeProvider time)
{
    /// <summary>
    /// Writes what was captured since the last file: pages held in memory and the pages of one more WAL segment, which are newer.
    /// </summary>
    /// <param name="txid">Transaction.</param>
    /// <param name="pageSize">Bytes.</param>
    /// <param name="start">Where the last file ended.</param>
    /// <param name="pending">Pages of passes since then.</param>
    /// <param name="segment">The newest pass; may be empty.</param>
    /// <param name="wal">Holds the images of the segment.</param>
    /// <returns>The header written.</returns>
    public LtxHeader Write(Txid txid, int pageSize, in WalCursor start, PendingPages pending, WalSegment segment, WalReader wal)
    {
        WalCursor end = segment.End;

        // A restart in between: the file then describes the part of the new generation only, which is where the next start resumes.
        bool sameGeneration = start.HasGeneration && start.Salt1 == end.Salt1 && start.Salt2 == end.Salt2;
        LtxHeader header = Header(txid, pageSize, end, WalOffsets.EndOfFrame(sameGeneration ? start.Frame : 0, pageSize));
        directory.Write(txid, stream =>
        {
            using var newer = new SegmentPages(segment, wal, pageSize);
            using var writer = new LtxWriter(stream, header, leaveOpen: true);
            Merge(pending, newer, writer, end.Commit);
            writer.Finish();
        });
        return header;
    }

    /// <summary>Writes all pages of the database as of a read transaction whose exact position is known.</summary>
    /// <returns>The header written.</returns>
    public LtxHeader WriteFullCopy(Txid txid, SqliteConnection connection, in WalCursor position, CancellationToken cancellationToken)
    {
        LtxHeader header = Header(txid, connection.PageSize, position, WalOffsets.HeaderSize);
        directory.Write(txid, stream =>
        {
            using var writer = new LtxWriter(stream, header, leaveOpen: true);
            DatabaseCopy.WritePages(connection, header.Commit, writer, cancellationToken);
            writer.Finish();
        });
        return header;
    }

    private LtxHeader Header(Txid txid, int pageSize, in WalCursor end, long walOffset) => new()
    {
        Flags = LtxFormat.NoChecksum,
        PageSize = pageSize,
        Commit = end.Commit,
        MinTxid = txid,
        MaxTxid = txid,
        Timestamp = time.GetUtcNow().ToUnixTimeMilliseconds(),
        WalOffset = walOffset,
        WalSize = WalOffsets.EndOfFrame(end.Frame, pageSize) - walOffset,
        WalSalt1 = end.Salt1,
        WalSalt2 = end.Salt2,
    };

    private static void Merge(PendingPages pending, SegmentPages newer, LtxWriter writer, uint commit)
    {
        bool hasNewer = newer.MoveNext();
        foreach (uint pageNumber in pending.Sorted())
        {
            while (hasNewer && newer.PageNumber < pageNumber)
            {
                writer.WritePage(newer.PageNumber, newer.Page);
                hasNewer = newer.MoveNext();
            }

            bool superseded = hasNewer && newer.PageNumber == pageNumber;
            if (!superseded && pageNumber <= commit)
            {
                pending.WriteTo(writer, pageNumber);
            }
        }

        while (hasNewer)
        {
            writer.WritePage(newer.PageNumber, newer.Page);
            hasNewer = newer.MoveNext();
        }
    }
}
