using Litestream.Configuration.Targets;

namespace Litestream.Configuration;

/// <summary>One database to replicate, with everything the configuration says about it.</summary>
/// <param name="EntryNumber">Place of its entry in <c>dbs</c>, from 1.</param>
/// <param name="Options">How it is captured and replicated.</param>
/// <param name="Target">Where to.</param>
public sealed record ConfiguredDatabase(int EntryNumber, DatabaseOptions Options, ReplicaTarget Target)
{
    /// <summary>Restore it before replication if the file is missing (§2.1.1).</summary>
    public bool RestoreIfMissing { get; init; }
}

/// <summary>Result of scanning one directory entry.</summary>
/// <param name="EntryNumber">Place of the entry in <c>dbs</c>, from 1.</param>
/// <param name="Directory">Expanded directory.</param>
/// <param name="Pattern">Pattern of file names.</param>
/// <param name="Count">Number of databases found.</param>
/// <param name="Watch">Whether the entry asks for new databases to be noticed.</param>
public sealed record ScannedDirectory(int EntryNumber, string Directory, string Pattern, int Count, bool Watch);
