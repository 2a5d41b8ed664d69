namespace Litestream.Restore.Delta;

/// <summary>
/// Pages that differ between two states, or may. A merged file does not name pages behind its own end, even if they changed within it,
/// so whatever lies behind the smallest end of all files counts as changed.
/// </summary>
internal sealed class ChangedPages
{
    private readonly PageBitmap _pages = new();
    private uint _end = uint.MaxValue;

    /// <summary>Adds a page that a file holds.</summary>
    internal void Add(uint page) => _pages.TryClaim(page);

    /// <summary>Notes at how many pages a file ends.</summary>
    internal void EndAt(uint commit) => _end = Math.Min(_end, commit);

    /// <summary>Whether a page may differ. Safe on several threads once everything is added.</summary>
    internal bool Contains(uint page) => page > _end || _pages.Contains(page);
}
