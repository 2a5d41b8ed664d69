using System.Globalization;
using Litestream.Configuration.Targets;

namespace Litestream.Configuration;

/// <summary>Builds the databases of a configuration: scans directories, resolves replicas, checks for collisions.</summary>
/// <param name="configuration">The file.</param>
/// <param name="host">The process around it.</param>
public sealed class DatabaseResolver(LitestreamConfiguration configuration, ConfigurationHost host)
{
    private readonly PathExpander paths = new(host);
    private readonly DirectoryScanner scanner = new(host.Files);
    private readonly ReplicaTargetResolver targets = new(host);
    private readonly List<ScannedDirectory> directories = [];

    /// <summary>Directory entries scanned so far.</summary>
    public IReadOnlyList<ScannedDirectory> Directories => directories;

    /// <summary>All databases in the order of the file.</summary>
    /// <param name="allowEmptyDirectories">A directory without databases is no error: for commands that only look.</param>
    /// <exception cref="ConfigurationException">An entry cannot be built, or two collide (traps B20, B48).</exception>
    public IReadOnlyList<ConfiguredDatabase> ResolveAll(bool allowEmptyDirectories = false)
    {
        List<ConfiguredDatabase> databases = [];
        for (int i = 0; i < configuration.Databases.Count; i++)
        {
            DatabaseEntry entry = configuration.Databases[i];
            if (entry.Path.Length > 0)
            {
                databases.Add(Build(i, entry, entry.Path, ""));
                continue;
            }

            IReadOnlyList<string> found = allowEmptyDirectories && host.Files.Stat(entry.Directory) is null ? [] : scanner.Scan(entry);
            directories.Add(new(i + 1, entry.Directory, entry.Pattern, found.Count, entry.Watch));
            if (found.Count == 0 && !entry.Watch && !allowEmptyDirectories)
            {
                throw new ConfigurationException($"no SQLite databases found in directory {entry.Directory} with pattern {entry.Pattern}");
            }

            Single(entry);
            databases.AddRange(found.Select(path => Build(i, entry, path, path[(entry.Directory.Length + 1)..])));
        }

        CheckCollisions(databases);
        return databases;
    }

    /// <summary>The directory entries that ask for their databases to be noticed as they come and go.</summary>
    /// <exception cref="ConfigurationException">A pattern is malformed.</exception>
    public IReadOnlyList<WatchedEntry> WatchedEntries()
    {
        List<WatchedEntry> watched = [];
        for (int i = 0; i < configuration.Databases.Count; i++)
        {
            DatabaseEntry entry = configuration.Databases[i];
            if (entry.Path.Length == 0 && entry.Watch)
            {
                int index = i;
                watched.Add(new WatchedEntry(
                    i + 1,
                    entry.Directory,
                    entry.Recursive,
                    entry.MonitorInterval,
                    new GlobPattern(entry.Pattern).IsMatch,
                    path => Build(index, entry, path, path[(entry.Directory.Length + 1)..]),
                    OwnDirectories(entry)));
            }
        }

        return watched;
    }

    /// <summary>Where the entry's replicas and state are kept, as far as it names the place: never looked into for databases (trap B39).</summary>
    private List<string> OwnDirectories(DatabaseEntry entry)
    {
        List<string> own = [];
        if (targets.Resolve(Single(entry), configuration.ReplicaDefaults, "") is FileTarget file)
        {
            own.Add(file.Path);
        }

        own.AddRange(((string[])[entry.MetaDirectory, entry.MetaPath]).Where(path => path.Length > 0).Select(paths.Expand));
        own.RemoveAll(path => path == entry.Directory || entry.Directory.StartsWith(path + "/", StringComparison.Ordinal));
        return own;
    }

    /// <summary>One database by its path; a directory entry that covers the path counts too (trap B13).</summary>
    /// <param name="path">Expanded path.</param>
    /// <returns>The database, or null if no entry is about it.</returns>
    public ConfiguredDatabase? Find(string path)
    {
        for (int i = 0; i < configuration.Databases.Count; i++)
        {
            DatabaseEntry entry = configuration.Databases[i];
            if (entry.Path.Length > 0 && entry.Path == path)
            {
                return Build(i, entry, path, "");
            }

            if (entry.Path.Length == 0 && Covers(entry, path))
            {
                return Build(i, entry, path, path[(entry.Directory.Length + 1)..]);
            }
        }

        return null;
    }

    /// <summary>A database outside any configuration file: the argument form of commands.</summary>
    /// <param name="path">Expanded path of the database.</param>
    /// <param name="replicaUrl">Its replica.</param>
    /// <exception cref="ConfigurationException">The URL cannot be used.</exception>
    public ConfiguredDatabase ForArguments(string path, string replicaUrl) =>
        Build(0, new DatabaseEntry { Path = path, Replica = new ReplicaSettings { Url = replicaUrl } }, path, "");

    private static bool Covers(DatabaseEntry entry, string path)
    {
        try
        {
            return DirectoryScanner.Covers(entry, path);
        }
        catch (FormatException e)
        {
            throw new ConfigurationException($"pattern \"{entry.Pattern}\" of directory {entry.Directory}: {e.Message}", e);
        }
    }

    private ConfiguredDatabase Build(int index, DatabaseEntry entry, string path, string relative)
    {
        ReplicaSettings replica = Single(entry);
        ReplicaSettings effective = replica.WithDefaults(configuration.ReplicaDefaults);
        DatabaseOptions defaults = new() { Path = path };
        return new ConfiguredDatabase(
            index + 1,
            defaults with
            {
                MetaPath = MetaPath(entry, relative),
                MonitorInterval = entry.MonitorInterval ?? defaults.MonitorInterval,
                CheckpointInterval = entry.CheckpointInterval ?? defaults.CheckpointInterval,
                BusyTimeout = entry.BusyTimeout ?? defaults.BusyTimeout,
                MinCheckpointPageCount = entry.MinCheckpointPageCount ?? defaults.MinCheckpointPageCount,
                TruncatePageCount = entry.TruncatePageCount ?? defaults.TruncatePageCount,
                MaxSyncWalBytes = entry.MaxSyncWalBytes ?? defaults.MaxSyncWalBytes,
                SyncInterval = effective.SyncInterval ?? defaults.SyncInterval,
                MaxSyncLtxFiles = effective.MaxSyncLtxFiles ?? defaults.MaxSyncLtxFiles,
                AutoRecover = effective.AutoRecover ?? defaults.AutoRecover,
                ShutdownSyncTimeout = configuration.ShutdownSyncTimeout,
                ShutdownSyncInterval = configuration.ShutdownSyncInterval,
                L0Retention = configuration.L0Retention,
                L0RetentionCheckInterval = configuration.L0RetentionCheckInterval,
                Levels = configuration.Levels,
                SnapshotInterval = entry.Snapshot.Interval ?? configuration.SnapshotInterval,
                SnapshotRetention = entry.Snapshot.Retention ?? configuration.SnapshotRetention,
                SnapshotAt = entry.Snapshot.AtTime ?? configuration.Snapshot.AtTime,
                RetentionEnabled = configuration.RetentionEnabled,
                VerifyCompaction = configuration.VerifyCompaction,
                ValidationInterval = configuration.ValidationInterval,
                LocalLevels = configuration.LocalLevels,
                AuditInterval = configuration.AuditInterval,

                // Old configurations ask for it at the replica (decision D17).
                VerifyInterval = effective.ValidationInterval ?? configuration.VerifyInterval,
                VerifyShare = configuration.VerifyShare,
                VerifyDeep = configuration.VerifyDeep,
            },
            targets.Resolve(replica, configuration.ReplicaDefaults, relative))
        {
            // Never for a directory entry: there only existing databases are known (§2.1.1).
            RestoreIfMissing = entry.RestoreIfMissing && relative.Length == 0,
        };
    }

    /// <summary>The one replica of an entry, in either form of writing it (§3.5).</summary>
    private static ReplicaSettings Single(DatabaseEntry entry) => (entry.Replica, entry.Replicas.Count) switch
    {
        (null, 0) => throw new ConfigurationException("must specify replica for database"),
        ({ }, > 0) => throw new ConfigurationException("cannot specify 'replica' and 'replicas' on a database"),
        (null, > 1) => throw new ConfigurationException("multiple replicas on a single database are no longer supported"),
        ({ } replica, _) => replica,
        _ => entry.Replicas[0],
    };

    /// <summary>The state directory that an entry asks for, or null for the default (table in §5).</summary>
    private string? MetaPath(DatabaseEntry entry, string relative)
    {
        if (entry.MetaDirectory.Length > 0)
        {
            return paths.Expand(entry.MetaDirectory) + "/" + relative + "-litestream";
        }

        if (entry.MetaPath.Length == 0)
        {
            return null;
        }

        string meta = paths.Expand(entry.MetaPath);
        return relative.Length == 0 ? meta : DatabaseOptions.DefaultStateDirectory(meta + "/" + relative);
    }

    private static void CheckCollisions(List<ConfiguredDatabase> databases)
    {
        Dictionary<string, ConfiguredDatabase> byPath = [];
        Dictionary<string, ConfiguredDatabase> byState = [];
        Dictionary<string, ConfiguredDatabase> byDestination = [];
        foreach (ConfiguredDatabase database in databases)
        {
            string path = database.Options.Path;
            if (!byPath.TryAdd(path, database))
            {
                throw new ConfigurationException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"database config #{database.EntryNumber}: duplicate path \"{path}\" (already used by database config #{byPath[path].EntryNumber}); each database can be listed only once"));
            }

            string state = database.Options.StateDirectory;
            if (!byState.TryAdd(state, database))
            {
                throw new ConfigurationException(
                    $"meta-path collision: databases \"{byState[state].Options.Path}\" and \"{path}\" would both keep their state in \"{state}\"");
            }

            string destination = database.Target.Destination;
            if (!byDestination.TryAdd(destination, database))
            {
                throw new ConfigurationException(
                    $"databases \"{byDestination[destination].Options.Path}\" and \"{path}\" have the same replica destination \"{destination}\"; each database needs its own");
            }
        }
    }
}
