using System.Buffers.Binary;
using System.Globalization;

namespace Litestream.Ltx;

/// <summary>The header of an LTX file (ltx-format §3). Reserved bytes are not kept; the reader hashes them as stored.</summary>
public readonly record struct LtxHeader
{
    /// <summary><see cref="LtxFormat.NoChecksum"/> or 0.</summary>
    public uint Flags { get; init; }

    /// <summary>Page size in bytes: a power of two from 512 to 65536.</summary>
    public int PageSize { get; init; }

    /// <summary>Size of the database after applying, in pages; 0 means the database is deleted.</summary>
    public uint Commit { get; init; }

    /// <summary>First transaction in the file, at least 1.</summary>
    public Txid MinTxid { get; init; }

    /// <summary>Last transaction in the file, at least <see cref="MinTxid"/>.</summary>
    public Txid MaxTxid { get; init; }

    /// <summary>Milliseconds since the Unix epoch, UTC; 0 when unset.</summary>
    public long Timestamp { get; init; }

    /// <summary>Rolling checksum of the database before applying; 0 for snapshots and without checksums.</summary>
    public ulong PreApplyChecksum { get; init; }

    /// <summary>Byte offset in the WAL where the copied segment starts; 0 if none.</summary>
    public long WalOffset { get; init; }

    /// <summary>Bytes of that WAL segment; 0 if none.</summary>
    public long WalSize { get; init; }

    /// <summary>First salt of the WAL header; 0 if none.</summary>
    public uint WalSalt1 { get; init; }

    /// <summary>Second salt of the WAL header; 0 if none.</summary>
    public uint WalSalt2 { get; init; }

    /// <summary>Creator id (LiteFS); Litestream writes 0.</summary>
    public ulong NodeId { get; init; }

    /// <summary>True when the file starts at transaction 1: it then holds every page of the database.</summary>
    public bool IsSnapshot => MinTxid.Value == 1;

    /// <summary>True when the file carries rolling database checksums.</summary>
    public bool TracksChecksums => (Flags & LtxFormat.NoChecksum) == 0;

    /// <summary>Reads and validates a header.</summary>
    /// <param name="source">The first bytes of the file, at least <see cref="LtxFormat.HeaderSize"/>.</param>
    /// <param name="file">Name of the file for messages.</param>
    /// <exception cref="LtxException">Too short, not an LTX file, or a field breaks a rule.</exception>
    public static LtxHeader Parse(ReadOnlySpan<byte> source, string? file = null)
    {
        LtxHeader header = Peek(source, file);
        header.Validate(file);
        return header;
    }

    /// <summary>
    /// Reads a header without validating its fields: length and magic only. For listings and dumps, which show bad headers too.
    /// </summary>
    /// <param name="source">The first bytes of the file, at least <see cref="LtxFormat.HeaderSize"/>.</param>
    /// <param name="file">Name of the file for messages.</param>
    /// <exception cref="LtxException">Too short, or not an LTX file.</exception>
    public static LtxHeader Peek(ReadOnlySpan<byte> source, string? file = null)
    {
        if (source.Length < LtxFormat.HeaderSize)
        {
            throw new LtxException(LtxErrorKind.Truncated, $"the header needs {LtxFormat.HeaderSize} bytes, the file has {source.Length}; it was cut or is not an LTX file", file, offset: source.Length);
        }

        if (BinaryPrimitives.ReadUInt32BigEndian(source) != LtxFormat.Magic)
        {
            throw new LtxException(LtxErrorKind.BadMagic, "it does not start with \"LTX1\": not an LTX file", file, offset: 0);
        }

        uint pageSize = BinaryPrimitives.ReadUInt32BigEndian(source[8..]);
        return new LtxHeader
        {
            Flags = BinaryPrimitives.ReadUInt32BigEndian(source[4..]),
            PageSize = (int)Math.Min(pageSize, int.MaxValue),
            Commit = BinaryPrimitives.ReadUInt32BigEndian(source[12..]),
            MinTxid = new Txid(BinaryPrimitives.ReadUInt64BigEndian(source[16..])),
            MaxTxid = new Txid(BinaryPrimitives.ReadUInt64BigEndian(source[24..])),
            Timestamp = BinaryPrimitives.ReadInt64BigEndian(source[32..]),
            PreApplyChecksum = BinaryPrimitives.ReadUInt64BigEndian(source[40..]),
            WalOffset = BinaryPrimitives.ReadInt64BigEndian(source[48..]),
            WalSize = BinaryPrimitives.ReadInt64BigEndian(source[56..]),
            WalSalt1 = BinaryPrimitives.ReadUInt32BigEndian(source[64..]),
            WalSalt2 = BinaryPrimitives.ReadUInt32BigEndian(source[68..]),
            NodeId = BinaryPrimitives.ReadUInt64BigEndian(source[72..]),
        };
    }

    /// <summary>Writes the header, reserved bytes zero. The header is not validated.</summary>
    /// <param name="destination">At least <see cref="LtxFormat.HeaderSize"/> bytes.</param>
    public void WriteTo(Span<byte> destination)
    {
        destination = destination[..LtxFormat.HeaderSize];
        destination.Clear();
        BinaryPrimitives.WriteUInt32BigEndian(destination, LtxFormat.Magic);
        BinaryPrimitives.WriteUInt32BigEndian(destination[4..], Flags);
        BinaryPrimitives.WriteUInt32BigEndian(destination[8..], (uint)PageSize);
        BinaryPrimitives.WriteUInt32BigEndian(destination[12..], Commit);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], MinTxid.Value);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], MaxTxid.Value);
        BinaryPrimitives.WriteInt64BigEndian(destination[32..], Timestamp);
        BinaryPrimitives.WriteUInt64BigEndian(destination[40..], PreApplyChecksum);
        BinaryPrimitives.WriteInt64BigEndian(destination[48..], WalOffset);
        BinaryPrimitives.WriteInt64BigEndian(destination[56..], WalSize);
        BinaryPrimitives.WriteUInt32BigEndian(destination[64..], WalSalt1);
        BinaryPrimitives.WriteUInt32BigEndian(destination[68..], WalSalt2);
        BinaryPrimitives.WriteUInt64BigEndian(destination[72..], NodeId);
    }

    /// <summary>Checks the rules of §3 in their order.</summary>
    /// <param name="file">Name of the file for messages.</param>
    /// <exception cref="LtxException">The first broken rule, kind <see cref="LtxErrorKind.HeaderInvalid"/>.</exception>
    public void Validate(string? file = null)
    {
        if (FindDefect() is { } defect)
        {
            throw new LtxException(LtxErrorKind.HeaderInvalid, "invalid header: " + defect, file);
        }
    }

    private string? FindDefect()
    {
        if ((Flags & ~LtxFormat.NoChecksum) != 0)
        {
            return Text($"unknown flags 0x{Flags:x8}; only 0x00000002 is legal (a pre-release version 1 file has bit 0 set)");
        }

        if (!LtxFormat.IsValidPageSize(PageSize))
        {
            return Text($"page size {PageSize} is not a power of two from 512 to 65536");
        }

        if (MinTxid.IsNone || MaxTxid.IsNone)
        {
            return MinTxid.IsNone ? "minimum transaction id is 0" : "maximum transaction id is 0";
        }

        if (MinTxid > MaxTxid)
        {
            return Text($"transaction ids are out of order: {MinTxid} to {MaxTxid}");
        }

        return FindWalDefect() ?? FindChecksumDefect();
    }

    private string? FindWalDefect()
    {
        if (WalOffset < 0 || WalSize < 0)
        {
            return WalOffset < 0 ? Text($"WAL offset {WalOffset} is negative") : Text($"WAL size {WalSize} is negative");
        }

        // A segment never starts inside the 32-byte WAL header, so offset 0 means "no WAL"; offset 32 with size 0 is legal.
        if (WalOffset == 0 && (WalSalt1 | WalSalt2) != 0)
        {
            return "a WAL salt is set without a WAL offset";
        }

        return WalOffset == 0 && WalSize != 0 ? "a WAL size is set without a WAL offset" : null;
    }

    private string? FindChecksumDefect()
    {
        if (IsSnapshot || !TracksChecksums)
        {
            return PreApplyChecksum == 0 ? null
                : Text($"pre-apply checksum {PreApplyChecksum:x16} must be 0 in {(IsSnapshot ? "a snapshot" : "a file without checksums")}");
        }

        return (PreApplyChecksum & LtxFormat.ChecksumFlag) != 0 ? null
            : Text($"pre-apply checksum {PreApplyChecksum:x16} must have its highest bit set");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
