namespace Litestream.Sqlite;

/// <summary>What happened in a directory that somebody listens to.</summary>
/// <param name="Kind">What.</param>
/// <param name="Name">Name in the directory; empty when the directory itself or all of it is meant.</param>
/// <param name="IsDirectory">Whether the name is a directory's.</param>
public readonly record struct DirectoryChange(DirectoryChangeKind Kind, string Name, bool IsDirectory);

/// <summary>Kinds of <see cref="DirectoryChange"/>.</summary>
public enum DirectoryChangeKind
{
    /// <summary>A name was created, linked or renamed into the directory. The file behind it may still be empty.</summary>
    Appeared,

    /// <summary>A name was removed or renamed away.</summary>
    Disappeared,

    /// <summary>The directory itself was removed, renamed or unmounted. The listener hears nothing more.</summary>
    Ended,

    /// <summary>The kernel's queue was full and changes were lost: look at everything.</summary>
    Lost,
}
