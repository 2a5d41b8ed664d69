using System.Buffers;
using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.State;

namespace Litestream.Capture;

/// <summary>
/// Decides at the first lock whether the local files continue in the WAL that is there now (replication §7.2 and §8.7 rule 2).
/// Nobody held the WAL meanwhile, so nothing is believed: the salts are those of the lock's position, the end of the newest file
/// lies inside the committed part, the checksum chain holds from the WAL header to that end, and every page image of every local
/// file of this generation is still in the frames the file was made from. Anything else is a full copy (traps B1, B2, B6, B9; a
/// power cut can also take back frames that were captured, and SQLite then rewrites from an earlier one).
/// </summary>
internal static class StartContinuity
{
    /// <summary>The cursor to continue from, or null with the reason for a full copy.</summary>
    public static WalCursor? Check(
        LocalLtxDirectory directory, in LtxHeader newest, WalReader? wal, WalPosition? position, int pageSize, out string reason)
    {
        reason = "";
        if (newest.PageSize != pageSize)
        {
            reason = $"page size changed from {newest.PageSize} to {pageSize}";
            return null;
        }

        if (position is not { } locked || wal?.ReadHeader() is not { } header || header.PageSize != pageSize)
        {
            reason = "wal has no header; it was removed or emptied while replication was stopped";
            return null;
        }

        if (header.Salt1 != locked.Salt1 || header.Salt2 != locked.Salt2 || newest.WalSalt1 != locked.Salt1 || newest.WalSalt2 != locked.Salt2)
        {
            reason = "wal header salt reset; the wal was restarted while replication was stopped";
            return null;
        }

        if (!WalOffsets.TryGetFrame(newest.WalOffset + newest.WalSize, pageSize, out uint end) || end > locked.MaxFrame)
        {
            reason = "wal truncated by another process; it ends before the last position";
            return null;
        }

        var origin = new WalCursor(true, header.Salt1, header.Salt2, 0, header.Checksum1, header.Checksum2, newest.Commit);
        WalCursor? cursor;
        try
        {
            cursor = CompareFiles(directory, newest, wal, header, origin, out reason);
        }
        catch (Exception e) when (e is LtxException or WalOverwrittenException or LocalLtxException { IsAutoRecoverable: true })
        {
            // An older file is damaged: its own upload will say so if it is still needed. Here it only proves nothing.
            reason = $"continuity cannot be proven: {e.Message}";
            return null;
        }

        return cursor is { } reached && reached.Frame != end ? throw new InvalidOperationException("start check ended at another frame") : cursor;
    }

    private static WalCursor? CompareFiles(
        LocalLtxDirectory directory, in LtxHeader newest, WalReader wal, in WalHeader header, in WalCursor origin, out string reason)
    {
        WalCursor cursor = origin;
        using var segment = new WalSegment();
        foreach (Txid txid in FilesOfGeneration(directory, newest))
        {
            using Stream stream = directory.Open(txid);
            using var reader = new LtxReader(stream, directory.PathOf(txid), leaveOpen: true);
            LtxHeader file = reader.ReadHeader();
            int pageSize = file.PageSize;
            if (!WalOffsets.TryGetFrame(file.WalOffset, pageSize, out uint start)
                || !WalOffsets.TryGetFrame(file.WalOffset + file.WalSize, pageSize, out uint end))
            {
                reason = $"wal range of transaction {txid} is not aligned to frames";
                return null;
            }

            cursor = start < cursor.Frame ? origin : cursor;
            reason = wal.Read(header, cursor, start, 0, segment) ?? wal.Read(header, segment.End, end, 0, segment) ?? "";
            if (reason.Length > 0)
            {
                reason = $"wal overwritten by another process: {reason}";
                return null;
            }

            segment.Seal(pageSize);
            if (!ContainsPages(reader, segment, wal, pageSize))
            {
                reason = $"wal overwritten by another process: its frames do not match transaction {txid}";
                return null;
            }

            cursor = segment.End with { Commit = file.Commit };
        }

        reason = "";
        return cursor;
    }

    /// <summary>Local transactions of the newest file's WAL generation, oldest first.</summary>
    private static List<Txid> FilesOfGeneration(LocalLtxDirectory directory, LtxHeader newest)
    {
        var found = new List<Txid> { newest.MaxTxid };
        for (ulong txid = newest.MaxTxid.Value - 1; txid > 0 && directory.SizeOf(new Txid(txid)) is not null; txid--)
        {
            if (HeaderOf(directory, new Txid(txid)) is not { } header
                || header.WalSalt1 != newest.WalSalt1 || header.WalSalt2 != newest.WalSalt2)
            {
                break;
            }

            found.Add(new Txid(txid));
        }

        found.Reverse();
        return found;
    }

    /// <summary>The header of a local file; null if it cannot be read, which its upload will report.</summary>
    private static LtxHeader? HeaderOf(LocalLtxDirectory directory, Txid txid)
    {
        try
        {
            using Stream stream = directory.Open(txid);
            Span<byte> bytes = stackalloc byte[LtxFormat.HeaderSize];
            return stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) == bytes.Length ? LtxHeader.Parse(bytes) : null;
        }
        catch (Exception e) when (e is LtxException or LocalLtxException)
        {
            return null;
        }
    }

    /// <summary>True if the file holds every page of the segment with the same content.</summary>
    private static bool ContainsPages(LtxReader reader, WalSegment segment, WalReader wal, int pageSize)
    {
        byte[] page = ArrayPool<byte>.Shared.Rent(pageSize);
        try
        {
            int index = 0;
            while (index < segment.PageCount && reader.ReadPage())
            {
                if (reader.PageNumber > segment[index].PageNumber)
                {
                    return false;
                }

                if (reader.PageNumber == segment[index].PageNumber)
                {
                    wal.ReadPage(segment[index].Frame, page.AsSpan(0, pageSize));
                    if (!reader.Page.SequenceEqual(page.AsSpan(0, pageSize)))
                    {
                        return false;
                    }

                    index++;
                }
            }

            return index == segment.PageCount;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(page);
        }
    }
}
