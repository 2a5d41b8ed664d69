using System.Buffers.Binary;

namespace Litestream.Sqlite;

/// <summary>The first 100 bytes of a database file: what replication needs of them.</summary>
public readonly record struct DatabaseHeader
{
    /// <summary>Bytes of the header.</summary>
    public const int Size = 100;

    private static ReadOnlySpan<byte> Magic => "SQLite format 3\0"u8;

    /// <summary>Page size in bytes, 512-65536 (stored as 1 for 65536).</summary>
    public int PageSize { get; init; }

    /// <summary>Whether the file is in WAL mode.</summary>
    public bool IsWal { get; init; }

    /// <summary>Pages of the database, as stored; not to be trusted when <see cref="IsPageCountValid"/> is false.</summary>
    public uint PageCount { get; init; }

    /// <summary>Whether the stored page count is current: it is not after a write by a SQLite older than 3.7.0.</summary>
    public bool IsPageCountValid { get; init; }

    /// <summary>File change counter.</summary>
    public uint ChangeCounter { get; init; }

    /// <summary>Parses a header.</summary>
    /// <param name="source">The first bytes of the file or of page 1.</param>
    /// <param name="header">The header; default when the result is false.</param>
    /// <returns>False when there are fewer than 100 bytes, the magic is wrong or the page size is impossible.</returns>
    public static bool TryParse(ReadOnlySpan<byte> source, out DatabaseHeader header)
    {
        header = default;
        if (source.Length < Size || !source.StartsWith(Magic))
        {
            return false;
        }

        int stored = BinaryPrimitives.ReadUInt16BigEndian(source[16..]);
        int pageSize = stored == 1 ? 65536 : stored;
        if (!WalFormat.IsValidPageSize(pageSize))
        {
            return false;
        }

        uint changeCounter = BinaryPrimitives.ReadUInt32BigEndian(source[24..]);
        uint pageCount = BinaryPrimitives.ReadUInt32BigEndian(source[28..]);
        header = new DatabaseHeader
        {
            PageSize = pageSize,
            IsWal = source[18] == 2 && source[19] == 2,
            PageCount = pageCount,
            IsPageCountValid = pageCount > 0 && changeCounter == BinaryPrimitives.ReadUInt32BigEndian(source[92..]),
            ChangeCounter = changeCounter,
        };
        return true;
    }
}
