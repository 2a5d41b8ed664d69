using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.Storage;

namespace Litestream.Verify;

/// <summary>
/// Checksums of a database, one for each 256 pages: 8 bytes for 1 MiB, so that two databases are compared without a second copy, and a
/// difference is still found at its place. The lock page is left out: it has no content.
/// </summary>
internal sealed class DatabaseDigest
{
    private const uint PagesPerChunk = 256;

    private readonly List<ulong> chunks = [];
    private readonly int pageSize;
    private readonly uint lockPage;
    private ulong current;
    private uint pages;

    private DatabaseDigest(int pageSize)
    {
        this.pageSize = pageSize;
        lockPage = LtxFormat.LockPage(pageSize);
    }

    /// <summary>Digest of what the current read transaction of a connection sees.</summary>
    public static DatabaseDigest Of(SqliteConnection connection, CancellationToken cancellationToken)
    {
        var digest = new DatabaseDigest(connection.PageSize);
        using DatabasePageReader reader = connection.OpenPages();
        while (reader.MoveNext())
        {
            cancellationToken.ThrowIfCancellationRequested();
            digest.Add(reader.Page);
        }

        digest.Close();
        return digest;
    }

    /// <summary>Digest of a database file that nobody writes and that has no write-ahead log.</summary>
    /// <param name="file">The file.</param>
    /// <param name="pageSize">Its page size in bytes.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public static DatabaseDigest Of(IFile file, int pageSize, CancellationToken cancellationToken)
    {
        var digest = new DatabaseDigest(pageSize);
        byte[] buffer = new byte[Math.Max(pageSize, 256 << 10)];
        long length = file.Length;
        for (long offset = 0; offset < length;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = Fill(file, buffer, offset);
            for (int at = 0; at < count; at += pageSize)
            {
                digest.Add(buffer.AsSpan(at, Math.Min(pageSize, count - at)));
            }

            offset += count;
        }

        digest.Close();
        return digest;
    }

    /// <summary>Page size in bytes.</summary>
    public int PageSize => pageSize;

    /// <summary>What differs, or null if the databases are equal.</summary>
    public string? Difference(DatabaseDigest other)
    {
        if (pageSize != other.pageSize || pages != other.pages)
        {
            return $"{other.pages} pages of {other.pageSize} bytes instead of {pages} of {pageSize}";
        }

        for (int i = 0; i < chunks.Count; i++)
        {
            if (chunks[i] != other.chunks[i])
            {
                uint first = ((uint)i * PagesPerChunk) + 1;
                return $"pages {first} to {Math.Min(first + PagesPerChunk - 1, pages)} differ";
            }
        }

        return null;
    }

    private static int Fill(IFile file, byte[] buffer, long offset)
    {
        int done = 0;
        while (done < buffer.Length && file.Read(buffer.AsSpan(done), offset + done) is > 0 and int count)
        {
            done += count;
        }

        return done > 0 ? done : throw new IOException($"{file.Path} became shorter while it was read");
    }

    private void Add(ReadOnlySpan<byte> page)
    {
        pages++;
        if (pages != lockPage)
        {
            current = Crc64.Append(current, page);
        }

        if (pages % PagesPerChunk == 0)
        {
            chunks.Add(current);
            current = 0;
        }
    }

    private void Close()
    {
        if (pages % PagesPerChunk != 0)
        {
            chunks.Add(current);
        }
    }
}

/// <summary>A database exactly at the end of one transaction.</summary>
/// <param name="Txid">The transaction.</param>
/// <param name="Digest">Its pages.</param>
internal sealed record LiveDatabase(Txid Txid, DatabaseDigest Digest);
