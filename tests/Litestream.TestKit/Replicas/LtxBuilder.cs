using Litestream.Ltx;

namespace Litestream.TestKit.Replicas;

/// <summary>Makes valid LTX files whose pages are easy to tell apart, and the database that they must restore to.</summary>
public static class LtxBuilder
{
    /// <summary>A file with the given pages.</summary>
    /// <param name="min">First transaction.</param>
    /// <param name="max">Last transaction.</param>
    /// <param name="commit">Size of the database in pages.</param>
    /// <param name="pages">Page numbers in the file, ascending.</param>
    /// <param name="pageSize">Bytes of a page.</param>
    /// <param name="timestamp">Header time, ms since the epoch.</param>
    /// <param name="content">Transaction whose page content is written; 0 = <paramref name="max"/>.</param>
    public static byte[] File(
        ulong min, ulong max, uint commit, IEnumerable<uint> pages, int pageSize = 512, long timestamp = 0, ulong content = 0)
    {
        using var stream = new MemoryStream();
        Write(stream, min, max, commit, pages, pageSize, timestamp, content);
        return stream.ToArray();
    }

    /// <summary>Writes such a file to a stream.</summary>
    public static void Write(
        Stream stream, ulong min, ulong max, uint commit, IEnumerable<uint> pages, int pageSize = 512, long timestamp = 0, ulong content = 0)
    {
        ArgumentNullException.ThrowIfNull(pages);
        var header = new LtxHeader
        {
            Flags = LtxFormat.NoChecksum,
            PageSize = pageSize,
            Commit = commit,
            MinTxid = new Txid(min),
            MaxTxid = new Txid(max),
            Timestamp = timestamp,
        };
        using var writer = new LtxWriter(stream, header, leaveOpen: true);
        foreach (uint page in pages)
        {
            writer.WritePage(page, Page(page, content == 0 ? max : content, pageSize));
        }

        writer.Finish();
    }

    /// <summary>All pages of a database of this size, without the lock page.</summary>
    public static IEnumerable<uint> AllPages(uint commit, int pageSize = 512)
    {
        uint lockPage = LtxFormat.LockPage(pageSize);
        for (uint page = 1; page <= commit; page++)
        {
            if (page != lockPage)
            {
                yield return page;
            }
        }
    }

    /// <summary>Content of a page as a transaction wrote it: part words that compress, part noise that does not.</summary>
    public static byte[] Page(uint page, ulong txid, int pageSize = 512)
    {
        byte[] bytes = new byte[pageSize];
        new Random(unchecked((int)(page * 7919) ^ (int)txid)).NextBytes(bytes.AsSpan(0, pageSize / 4));
        bytes.AsSpan(pageSize / 4).Fill((byte)page);
        return bytes;
    }
}
