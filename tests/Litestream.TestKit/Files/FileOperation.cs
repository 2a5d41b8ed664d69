namespace Litestream.TestKit.Files;

/// <summary>The calls of the file-system seam, as recorded and as made to fail.</summary>
public enum FileOperation
{
    /// <summary>Open for reading.</summary>
    OpenRead,

    /// <summary>Create or empty.</summary>
    Create,

    /// <summary>Status of a path.</summary>
    Stat,

    /// <summary>Names in a directory.</summary>
    List,

    /// <summary>Create a directory.</summary>
    CreateDirectory,

    /// <summary>Rename; the path is the target.</summary>
    Rename,

    /// <summary>Second name; the path is the new one.</summary>
    Link,

    /// <summary>Remove a file.</summary>
    Delete,

    /// <summary>Remove a tree.</summary>
    DeleteTree,

    /// <summary>Sync a directory.</summary>
    SyncDirectory,

    /// <summary>Set times.</summary>
    SetTimes,

    /// <summary>Read from an open file.</summary>
    Read,

    /// <summary>Write to an open file.</summary>
    Write,

    /// <summary>Sync an open file.</summary>
    Sync,

    /// <summary>Change the length of an open file.</summary>
    SetLength,

    /// <summary>Close an open file.</summary>
    Close,
}

/// <summary>One recorded call.</summary>
/// <param name="Operation">What was called.</param>
/// <param name="Path">On which path; for two-path calls the new name.</param>
public readonly record struct FileCall(FileOperation Operation, string Path)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Operation} {Path}";
}
