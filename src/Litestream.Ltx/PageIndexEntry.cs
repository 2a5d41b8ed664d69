namespace Litestream.Ltx;

/// <summary>Where a page is in a file.</summary>
/// <param name="PageNumber">The page, 1 or more.</param>
/// <param name="Offset">File offset of its frame: of its page header.</param>
/// <param name="Size">Bytes of the whole frame.</param>
public readonly record struct PageIndexEntry(uint PageNumber, long Offset, long Size);
