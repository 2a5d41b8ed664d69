namespace Litestream.Sqlite;

/// <summary>Sizes and offsets of the WAL file (replication §5). All arithmetic is 64-bit: a WAL may exceed 4 GiB (trap C6).</summary>
public static class WalFormat
{
    /// <summary>Bytes of the WAL header.</summary>
    public const int HeaderSize = 32;

    /// <summary>Bytes before the page in each frame.</summary>
    public const int FrameHeaderSize = 24;

    /// <summary>Magic number of a WAL whose checksums read words in little-endian order.</summary>
    public const uint MagicLittleEndian = 0x377f0682;

    /// <summary>Magic number of a WAL whose checksums read words in big-endian order.</summary>
    public const uint MagicBigEndian = 0x377f0683;

    /// <summary>The only format version there is.</summary>
    public const uint Version = 3007000;

    /// <summary>Whether a page size is a power of two from 512 to 65536.</summary>
    public static bool IsValidPageSize(long pageSize) => pageSize is >= 512 and <= 65536 && long.IsPow2(pageSize);

    /// <summary>Bytes of one frame.</summary>
    public static int FrameSize(int pageSize) => FrameHeaderSize + pageSize;

    /// <summary>Byte offset of a frame, counted from 1 as SQLite does; frame n+1's offset is the size of a WAL with n frames.</summary>
    public static long FrameOffset(long frame, int pageSize) => HeaderSize + ((frame - 1) * FrameSize(pageSize));

    /// <summary>Size in bytes of a WAL with that many frames.</summary>
    public static long FileSize(long frames, int pageSize) => HeaderSize + (frames * FrameSize(pageSize));

    /// <summary>Whole frames before a byte offset.</summary>
    public static long FramesBefore(long offset, int pageSize) => offset <= HeaderSize ? 0 : (offset - HeaderSize) / FrameSize(pageSize);
}
