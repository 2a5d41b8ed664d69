using System.Buffers.Binary;

namespace Litestream.Sqlite;

/// <summary>The 32 bytes at the start of a WAL file (replication §5).</summary>
public readonly record struct WalHeader
{
    /// <summary>Word order of the checksums.</summary>
    public bool BigEndianChecksum { get; init; }

    /// <summary>Page size in bytes, 512-65536.</summary>
    public int PageSize { get; init; }

    /// <summary>Checkpoint sequence. Each connection counts for itself, so it proves nothing; it only feeds the checksum.</summary>
    public uint Sequence { get; init; }

    /// <summary>First salt.</summary>
    public uint Salt1 { get; init; }

    /// <summary>Second salt.</summary>
    public uint Salt2 { get; init; }

    /// <summary>First checksum word of bytes 0-23: the seed of frame 1.</summary>
    public uint Checksum1 { get; init; }

    /// <summary>Second checksum word.</summary>
    public uint Checksum2 { get; init; }

    /// <summary>Bytes of one frame of this WAL.</summary>
    public int FrameSize => WalFormat.FrameSize(PageSize);

    /// <summary>Parses and checks a header.</summary>
    /// <param name="source">The first bytes of the file, as many as there are.</param>
    /// <param name="header">The header; default unless the result is <see cref="WalHeaderStatus.Valid"/>.</param>
    public static WalHeaderStatus TryParse(ReadOnlySpan<byte> source, out WalHeader header)
    {
        header = default;
        if (source.Length < WalFormat.HeaderSize)
        {
            return WalHeaderStatus.TooShort;
        }

        uint magic = BinaryPrimitives.ReadUInt32BigEndian(source);
        if (magic is not (WalFormat.MagicLittleEndian or WalFormat.MagicBigEndian))
        {
            // A header of zeros is one that was never written out, e.g. after a power cut that kept only the file's length.
            return source[..WalFormat.HeaderSize].ContainsAnyExcept((byte)0) ? WalHeaderStatus.BadMagic : WalHeaderStatus.ChecksumMismatch;
        }

        bool bigEndian = magic == WalFormat.MagicBigEndian;
        uint checksum1 = BinaryPrimitives.ReadUInt32BigEndian(source[24..]);
        uint checksum2 = BinaryPrimitives.ReadUInt32BigEndian(source[28..]);
        if (WalChecksum.Append(0, 0, source[..24], bigEndian) != (checksum1, checksum2))
        {
            return WalHeaderStatus.ChecksumMismatch;
        }

        if (BinaryPrimitives.ReadUInt32BigEndian(source[4..]) != WalFormat.Version)
        {
            return WalHeaderStatus.BadVersion;
        }

        uint pageSize = BinaryPrimitives.ReadUInt32BigEndian(source[8..]);
        if (!WalFormat.IsValidPageSize(pageSize))
        {
            return WalHeaderStatus.BadPageSize;
        }

        header = new WalHeader
        {
            BigEndianChecksum = bigEndian,
            PageSize = (int)pageSize,
            Sequence = BinaryPrimitives.ReadUInt32BigEndian(source[12..]),
            Salt1 = BinaryPrimitives.ReadUInt32BigEndian(source[16..]),
            Salt2 = BinaryPrimitives.ReadUInt32BigEndian(source[20..]),
            Checksum1 = checksum1,
            Checksum2 = checksum2,
        };
        return WalHeaderStatus.Valid;
    }
}
