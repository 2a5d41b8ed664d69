namespace Litestream.Ltx;

/// <summary>Sizes, flags and limits of the LTX file format, version 3 (ltx-format §2 to §7).</summary>
public static class LtxFormat
{
    /// <summary>Bytes of the file header.</summary>
    public const int HeaderSize = 100;

    /// <summary>Bytes of a page header: page number and flags.</summary>
    public const int PageHeaderSize = 6;

    /// <summary>Bytes of the size field that follows the page header of a block frame.</summary>
    public const int BlockSizeFieldSize = 4;

    /// <summary>Bytes of the number at the end of the page index that gives the size of its list.</summary>
    public const int IndexSizeFieldSize = 8;

    /// <summary>Bytes of the trailer.</summary>
    public const int TrailerSize = 16;

    /// <summary>The smallest legal file: no pages.</summary>
    public const int MinFileSize = HeaderSize + PageHeaderSize + 1 + IndexSizeFieldSize + TrailerSize;

    /// <summary>Smallest page size in bytes.</summary>
    public const int MinPageSize = 512;

    /// <summary>Largest page size in bytes.</summary>
    public const int MaxPageSize = 65536;

    /// <summary>Header flag: no rolling database checksums in this file (ltx-format §7.5). Litestream always sets it.</summary>
    public const uint NoChecksum = 0x2;

    /// <summary>
    /// Bit 63 of every stored checksum, so that 0 can mean "none". Also the rolling checksum of an empty database.
    /// </summary>
    public const ulong ChecksumFlag = 1UL << 63;

    /// <summary>"LTX1", the first four bytes of every file, whatever the version.</summary>
    internal const uint Magic = 0x4C545831;

    /// <summary>Page flag: a size field and one raw LZ4 block follow; without it, an LZ4 frame (files of 0.5.0 to 0.5.15).</summary>
    internal const ushort PageFlagBlock = 0x1;

    /// <summary>Three varints: page number, offset, size.</summary>
    private const int MaxIndexEntrySize = 5 + 10 + 5;

    /// <summary>The byte offset that SQLite never stores data at: its lock bytes live there (ltx-format §6).</summary>
    private const int LockByteOffset = 0x40000000;

    /// <summary>Whether SQLite and LTX know this page size: a power of two from 512 to 65536.</summary>
    /// <param name="pageSize">Bytes.</param>
    public static bool IsValidPageSize(int pageSize) =>
        pageSize is >= MinPageSize and <= MaxPageSize && int.IsPow2(pageSize);

    /// <summary>The number of the page that contains SQLite's lock bytes; it is never stored nor hashed.</summary>
    /// <param name="pageSize">A valid page size in bytes.</param>
    public static uint LockPage(int pageSize) => (uint)(LockByteOffset / pageSize) + 1;

    /// <summary>The largest LZ4 block that a page can become, in bytes: incompressible pages grow.</summary>
    /// <param name="pageSize">A valid page size in bytes.</param>
    public static int MaxBlockSize(int pageSize) => pageSize + (pageSize / 255) + 16;

    /// <summary>Most bytes that one page adds to a file, in bytes: its frame and its entry in the page index.</summary>
    /// <param name="pageSize">A valid page size in bytes.</param>
    public static int MaxStoredPageSize(int pageSize) =>
        PageHeaderSize + BlockSizeFieldSize + MaxBlockSize(pageSize) + MaxIndexEntrySize;

    /// <summary>The largest page frame of either kind, in bytes: a legacy frame has the larger overhead.</summary>
    internal static int MaxFrameSize(int pageSize) =>
        PageHeaderSize + LegacyFrame.Overhead + MaxBlockSize(pageSize);

    /// <summary>The page that follows in a complete database: the lock page is skipped. 0 when there is none.</summary>
    internal static uint NextPage(uint pageNumber, int pageSize)
    {
        uint next = unchecked(pageNumber + 1);
        return next == LockPage(pageSize) ? next + 1 : next;
    }

    /// <summary>The last page that a complete file of a database of this size contains; 0 when it contains none.</summary>
    internal static uint LastPage(uint commit, int pageSize) => commit == LockPage(pageSize) ? commit - 1 : commit;
}
