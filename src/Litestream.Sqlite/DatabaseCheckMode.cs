namespace Litestream.Sqlite;

/// <summary>How thoroughly a database is checked.</summary>
public enum DatabaseCheckMode
{
    /// <summary><c>PRAGMA quick_check</c>: structure and records, not whether indexes agree with their tables.</summary>
    Quick,

    /// <summary><c>PRAGMA integrity_check</c>: everything.</summary>
    Full,
}
