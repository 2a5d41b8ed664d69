namespace Litestream.Sqlite;

/// <summary>What the first bytes of a WAL file are.</summary>
public enum WalHeaderStatus
{
    /// <summary>A header; everything checked.</summary>
    Valid,

    /// <summary>Fewer than 32 bytes: no WAL yet, or cut by TRUNCATE.</summary>
    TooShort,

    /// <summary>Checksum mismatch: may be half-written; treated as "no WAL yet", not as damage (replication §5).</summary>
    ChecksumMismatch,

    /// <summary>Another magic number: not a WAL.</summary>
    BadMagic,

    /// <summary>An unknown format version.</summary>
    BadVersion,

    /// <summary>A page size that SQLite does not have.</summary>
    BadPageSize,
}
