using Litestream.Configuration;

namespace Litestream.Cli.Replication;

/// <summary>What a <c>replicate</c> command line asks for, after its words and flags have been checked.</summary>
/// <param name="Configuration">The configuration file, or an empty one in argument mode.</param>
/// <param name="ResolveDatabases">Builds the databases; scans directories.</param>
/// <param name="LevelText">Level setting as the first record shows it.</param>
internal sealed record ReplicationRequest(
    LitestreamConfiguration Configuration, Func<ReplicationPlan> ResolveDatabases, string LevelText)
{
    /// <summary>Words of the child's command; empty = none.</summary>
    public IReadOnlyList<string> ExecWords { get; init; } = [];

    /// <summary>One sync of every database, then end.</summary>
    public bool Once { get; init; }

    /// <summary>With <see cref="Once"/>: write a snapshot, too.</summary>
    public bool ForceSnapshot { get; init; }

    /// <summary>With <see cref="Once"/>: delete what retention allows; not available yet.</summary>
    public bool EnforceRetention { get; init; }
}

/// <summary>The databases to replicate and the directories they were found in.</summary>
/// <param name="Databases">In the order of the configuration.</param>
/// <param name="Directories">Scanned directory entries.</param>
/// <param name="Watched">Directory entries whose databases come and go.</param>
internal sealed record ReplicationPlan(
    IReadOnlyList<ConfiguredDatabase> Databases, IReadOnlyList<ScannedDirectory> Directories, IReadOnlyList<WatchedEntry> Watched);
