namespace Litestream.Configuration;

/// <summary>A directory entry with <c>watch: true</c>.</summary>
/// <param name="EntryNumber">Place of the entry in <c>dbs</c>, from 1.</param>
/// <param name="Directory">Expanded directory.</param>
/// <param name="Recursive">Whether directories below it count.</param>
/// <param name="MonitorInterval">How often it is read where change notification does not work; null = the default.</param>
/// <param name="Matches">Whether the name of a file matches the pattern.</param>
/// <param name="Resolve">The database at an absolute path below the directory, with all settings of the entry (store-and-restore trap C24).</param>
/// <param name="OwnDirectories">Directories of replicas and state, which hold no databases.</param>
public sealed record WatchedEntry(
    int EntryNumber,
    string Directory,
    bool Recursive,
    TimeSpan? MonitorInterval,
    Func<string, bool> Matches,
    Func<string, ConfiguredDatabase> Resolve,
    IReadOnlyList<string> OwnDirectories);
