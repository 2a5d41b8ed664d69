namespace Litestream.Ltx;

/// <summary>What is wrong with an LTX file or a set of them: the condition classes of ltx-format §11, and those of a merge.</summary>
public enum LtxErrorKind
{
    /// <summary>The input ended before the file did.</summary>
    Truncated,

    /// <summary>The first four bytes are not "LTX1".</summary>
    BadMagic,

    /// <summary>A header field breaks a rule of §3.</summary>
    HeaderInvalid,

    /// <summary>A page header has unknown flags, or flags without a page number.</summary>
    PageHeaderInvalid,

    /// <summary>The payload of a page is out of bounds, is not LZ4, or is not exactly one page.</summary>
    PageData,

    /// <summary>Page numbers do not ascend, exceed the commit size, or name the lock page.</summary>
    PageOrder,

    /// <summary>A snapshot does not hold every page of the database.</summary>
    SnapshotIncomplete,

    /// <summary>The database grew, and not all of the new pages are in the files that are merged.</summary>
    GrowthIncomplete,

    /// <summary>The page index is malformed or differs from the page frames.</summary>
    PageIndex,

    /// <summary>A trailer field breaks a rule of §5.</summary>
    TrailerInvalid,

    /// <summary>The file checksum differs from the content.</summary>
    FileChecksum,

    /// <summary>The rolling database checksum differs from the pages.</summary>
    PostApplyChecksum,

    /// <summary>Bytes follow the trailer.</summary>
    TrailingData,

    /// <summary>Files or a database of different page sizes were combined.</summary>
    PageSizeMismatch,

    /// <summary>A file does not continue its predecessor: gap, duplicate, contained or unsorted.</summary>
    NotContiguous,

    /// <summary>A file was not made for the database state it is applied to or follows.</summary>
    ChecksumChain,

    /// <summary>A snapshot was needed and the file is none.</summary>
    NotSnapshot,

    /// <summary>The header flags wanted for the output cannot hold for the inputs.</summary>
    FlagsMismatch,
}
