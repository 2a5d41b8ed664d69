using System.Buffers.Binary;

namespace Litestream.Ltx;

/// <summary>Page size and page count out of the header of a SQLite database file.</summary>
/// <param name="PageSize">Bytes of a page.</param>
/// <param name="PageCount">
/// Pages by the header. Stale while a WAL is pending: checkpoint first, or read the pages through SQLite.
/// </param>
public readonly record struct DatabaseGeometry(int PageSize, uint PageCount)
{
    /// <summary>Bytes of a SQLite database header.</summary>
    public const int HeaderSize = 100;

    /// <summary>Reads a database header (ltx-format §14). Bytes of the file behind the last page are ignored, as SQLite does.</summary>
    /// <param name="header">The first bytes of the file, at least <see cref="HeaderSize"/>.</param>
    /// <param name="fileSize">Size of the file in bytes.</param>
    /// <exception cref="InvalidDataException">Not a SQLite database, or the file is shorter than its header says.</exception>
    public static DatabaseGeometry Parse(ReadOnlySpan<byte> header, long fileSize)
    {
        if (header.Length < HeaderSize || !header.StartsWith("SQLite format 3\0"u8))
        {
            throw new InvalidDataException("The file is not a SQLite database: its header is missing.");
        }

        // The 16-bit field cannot hold 65536; SQLite writes 1 for it.
        int pageSize = BinaryPrimitives.ReadUInt16BigEndian(header[16..]);
        pageSize = pageSize == 1 ? LtxFormat.MaxPageSize : pageSize;
        if (!LtxFormat.IsValidPageSize(pageSize))
        {
            throw new InvalidDataException($"The database header has page size {pageSize}, which SQLite does not know.");
        }

        uint pageCount = BinaryPrimitives.ReadUInt32BigEndian(header[28..]);
        if ((long)pageCount * pageSize > fileSize)
        {
            throw new InvalidDataException($"The database has {pageCount} pages of {pageSize} bytes by its header, the file only {fileSize} bytes.");
        }

        return new DatabaseGeometry(pageSize, pageCount);
    }
}
