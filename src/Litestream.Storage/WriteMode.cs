namespace Litestream.Storage;

/// <summary>What a write does when an object of that name exists.</summary>
public enum WriteMode
{
    /// <summary>Replace it. Merged files and snapshots are written so: a repeated attempt must succeed (backends §1.5).</summary>
    Overwrite,

    /// <summary>
    /// Create it. If one exists with the same size and the same last 16 bytes it is our own answer that got lost, and the write
    /// succeeds; anything else is another writer (decision D35).
    /// </summary>
    CreateOnly,
}
