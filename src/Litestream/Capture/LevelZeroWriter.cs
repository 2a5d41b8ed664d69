using System.Buffers;
using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.State;

namespace Litestream.Capture;

/// <summary>Encodes what was captured as level-0 files (replication §7.4 to §7.7).</summary>
internal sealed class LevelZeroWriter(LocalLtxDirectory directory, TimeProvider time)
{
    /// <summary>Writes the pages of a WAL segment as a file of its own.</summary>
    public LtxHeader WriteIncrement(Txid txid, int pageSize, WalSegment segment, WalReader wal)
    {
        LtxHeader header = Header(txid, pageSize, segment.End, WalOffsets.EndOfFrame(segment.Start.Frame, pageSize));
        directory.Write(txid, stream =>
        {
            using var pages = new SegmentPages(segment, wal, pageSize);
            using var writer = new LtxWriter(stream, header, leaveOpen: true);
            while (pages.MoveNext())
            {
                writer.WritePage(pages.PageNumber, pages.Page);
            }

            writer.Finish();
        });
        return header;
    }

    /// <summary>
    /// Replaces a file that nobody has seen yet by one that also holds the pages of a later segment, so that what was captured in
    /// one interval goes up as one object (replication §8.5). The older file's pages are copied compressed; newer images win.
    /// </summary>
    /// <param name="txid">Transaction of the file on disk.</param>
    /// <param name="previous">Header of the file on disk.</param>
    /// <param name="segment">The pages to add; it continues where that file ends.</param>
    /// <param name="wal">Holds the images.</param>
    public LtxHeader Extend(Txid txid, in LtxHeader previous, WalSegment segment, WalReader wal)
    {
        int pageSize = previous.PageSize;
        bool sameGeneration = previous.WalSalt1 == segment.End.Salt1 && previous.WalSalt2 == segment.End.Salt2;

        // A restart in between: the file then describes the part of the new generation only, which is where the next start resumes.
        long start = sameGeneration ? previous.WalOffset : WalOffsets.HeaderSize;
        LtxHeader header = Header(txid, pageSize, segment.End, start);
        using Stream source = directory.Open(txid);
        try
        {
            directory.Write(txid, stream => WriteMerged(txid, stream, source, header, segment, wal));
        }
        catch (LtxException e)
        {
            throw new LocalLtxException("decode", directory.PathOf(txid), txid, LocalLtxProblem.Corrupt, e);
        }

        return header;
    }

    private void WriteMerged(Txid txid, Stream stream, Stream source, in LtxHeader header, WalSegment segment, WalReader wal)
    {
        using var older = new LtxReader(source, directory.PathOf(txid), leaveOpen: true);
        using var newer = new SegmentPages(segment, wal, header.PageSize);
        using var writer = new LtxWriter(stream, header, leaveOpen: true);
        older.ReadHeader();
        Merge(older, newer, writer, segment.End.Commit);
        older.Finish();
        writer.Finish();
    }

    /// <summary>Writes all pages of the database as of a read transaction whose exact position is known.</summary>
    /// <returns>The header written.</returns>
    public LtxHeader WriteFullCopy(Txid txid, SqliteConnection connection, in WalCursor position, CancellationToken cancellationToken)
    {
        int pageSize = connection.PageSize;
        LtxHeader header = Header(txid, pageSize, position, WalOffsets.HeaderSize);
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

    private static void Merge(LtxReader older, SegmentPages newer, LtxWriter writer, uint commit)
    {
        bool hasOlder = older.ReadPage();
        bool hasNewer = newer.MoveNext();
        while (hasOlder || hasNewer)
        {
            if (hasNewer && (!hasOlder || newer.PageNumber <= older.PageNumber))
            {
                if (hasOlder && older.PageNumber == newer.PageNumber)
                {
                    hasOlder = older.ReadPage();
                }

                writer.WritePage(newer.PageNumber, newer.Page);
                hasNewer = newer.MoveNext();
                continue;
            }

            if (older.PageNumber <= commit)
            {
                writer.WriteBlock(older.PageNumber, older.Block, older.Page);
            }

            hasOlder = older.ReadPage();
        }
    }

    /// <summary>The newest images of a segment, pages ascending.</summary>
    private sealed class SegmentPages(WalSegment segment, WalReader wal, int pageSize) : IDisposable
    {
        private readonly byte[] page = ArrayPool<byte>.Shared.Rent(pageSize);
        private int index = -1;

        public uint PageNumber => segment[index].PageNumber;

        public ReadOnlySpan<byte> Page => page.AsSpan(0, pageSize);

        public bool MoveNext()
        {
            if (++index >= segment.PageCount)
            {
                // Pages were read after their frames had been verified. Under the first lock the WAL may have been restarted in
                // between (trap B15); the writer that does so puts the new header there before the first frame.
                wal.EnsureGeneration(segment.End);
                return false;
            }

            wal.ReadPage(segment[index].Frame, page.AsSpan(0, pageSize));
            return true;
        }

        public void Dispose() => ArrayPool<byte>.Shared.Return(page);
    }
}
