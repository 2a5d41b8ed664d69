using System.Globalization;

namespace Litestream.Configuration;

/// <summary>The rules of §3.5 and §3.8 that a file must keep as a whole. The first failure in the stated order wins.</summary>
internal static class ConfigurationValidator
{
    private static readonly TimeSpan MinHeartbeatInterval = TimeSpan.FromMinutes(1);

    /// <summary>Validates, and expands the database paths.</summary>
    public static void Validate(LitestreamConfiguration configuration, PathExpander paths)
    {
        CheckStructure(configuration, paths);
        CheckSnapshot("snapshot", configuration.Snapshot);
        Check(configuration.L0Retention >= TimeSpan.Zero, "l0-retention", "l0 retention must not be negative", configuration.L0Retention);
        CheckPositive("l0-retention-check-interval", "l0 retention check interval", configuration.L0RetentionCheckInterval);
        Check(
            configuration.ShutdownSyncTimeout >= TimeSpan.Zero, "shutdown-sync-timeout", "shutdown-sync-timeout must be >= 0",
            configuration.ShutdownSyncTimeout);
        CheckPositive("shutdown-sync-interval", "shutdown sync interval", configuration.ShutdownSyncInterval);
        string url = configuration.HeartbeatUrl;
        if (url.Length > 0 && !url.StartsWith("http://", StringComparison.Ordinal) && !url.StartsWith("https://", StringComparison.Ordinal))
        {
            throw Invalid("heartbeat-url", "heartbeat URL must be a valid HTTP or HTTPS URL", url);
        }

        Check(
            configuration.HeartbeatInterval >= MinHeartbeatInterval, "heartbeat-interval", "heartbeat interval must be at least 1 minute",
            configuration.HeartbeatInterval);
        for (int i = 0; i < configuration.Levels.Count; i++)
        {
            CheckPositive(string.Create(CultureInfo.InvariantCulture, $"levels[{i}].interval"), "compaction interval", configuration.Levels[i].Interval);
            if (configuration.Levels[i].Retention is { } retention)
            {
                CheckPositive(string.Create(CultureInfo.InvariantCulture, $"levels[{i}].retention"), "level retention", retention);
            }
        }

        Check(configuration.AuditInterval >= TimeSpan.Zero, "audit-interval", "audit interval must not be negative", configuration.AuditInterval);
        foreach (SnapshotSettings snapshot in configuration.Databases.Select(entry => entry.Snapshot).Prepend(configuration.Snapshot))
        {
            CheckTimeOfDay(snapshot, snapshot.Interval ?? configuration.SnapshotInterval);
        }

        foreach (DatabaseEntry entry in configuration.Databases)
        {
            CheckIntervals(entry, configuration.ReplicaDefaults);
        }

        CheckLogging(configuration.Logging);
    }

    private static void CheckStructure(LitestreamConfiguration configuration, PathExpander paths)
    {
        Dictionary<string, int> indexes = [];
        for (int i = 0; i < configuration.Databases.Count; i++)
        {
            DatabaseEntry entry = configuration.Databases[i];
            if (EntryProblem(entry) is { } problem)
            {
                throw new ConfigurationException(string.Create(CultureInfo.InvariantCulture, $"database config #{i + 1}: {problem}"));
            }

            if (entry.Path.Length == 0)
            {
                entry.Directory = paths.Expand(entry.Directory);
                continue;
            }

            entry.Path = paths.Expand(entry.Path);
            if (!indexes.TryAdd(entry.Path, i))
            {
                throw new ConfigurationException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"database config #{i + 1}: duplicate path \"{entry.Path}\" (already used by database config #{indexes[entry.Path] + 1}); each database can be listed only once"));
            }
        }

        if (configuration.ReplicaDefaults.Encrypted || configuration.Databases.Any(e =>
            e.Replica is { Encrypted: true } || e.Replicas.Any(r => r.Encrypted)))
        {
            throw new ConfigurationException(
                "age encryption is not currently supported, if you need encryption please revert back to Litestream v0.3.x");
        }
    }

    private static string? EntryProblem(DatabaseEntry entry)
    {
        bool directory = entry.Directory.Length > 0;
        return entry switch
        {
            { Path.Length: > 0, Directory.Length: > 0 } => "cannot specify both 'path' and 'dir'",
            { Path.Length: 0, Directory.Length: 0 } => "must specify either 'path' or 'dir'",
            { Pattern.Length: 0 } when directory => "'pattern' is required when using 'dir'",
            { Watch: true } when !directory => "'watch' can only be enabled with a directory",
            { MetaDirectory.Length: > 0 } when !directory => "'meta-dir' can only be used with a directory",
            { MetaDirectory.Length: > 0, MetaPath.Length: > 0 } => "cannot specify both 'meta-path' and 'meta-dir'",
            _ => null,
        };
    }

    private static void CheckIntervals(DatabaseEntry entry, ReplicaSettings defaults)
    {
        CheckSnapshot($"dbs[{entry.Name}].snapshot", entry.Snapshot);
        const string rule = "sync interval";
        if (entry.Replica is { } replica && (replica.SyncInterval ?? defaults.SyncInterval) is { } interval)
        {
            CheckPositive($"dbs[{entry.Name}].replica.sync-interval", rule, interval);
        }

        for (int i = 0; i < entry.Replicas.Count; i++)
        {
            if ((entry.Replicas[i].SyncInterval ?? defaults.SyncInterval) is { } value)
            {
                CheckPositive(
                    string.Create(CultureInfo.InvariantCulture, $"dbs[{entry.Name}].replicas[{i}].sync-interval"), rule, value);
            }
        }
    }

    private static void CheckSnapshot(string field, SnapshotSettings snapshot)
    {
        if (snapshot.Interval is { } interval)
        {
            CheckPositive(field + ".interval", "snapshot interval", interval);
        }

        if (snapshot.Retention is { } retention)
        {
            CheckPositive(field + ".retention", "snapshot retention", retention);
        }
    }

    /// <summary>A time of day makes sense only for whole days (decision D13).</summary>
    private static void CheckTimeOfDay(SnapshotSettings snapshot, TimeSpan interval)
    {
        if (snapshot.At is not { Length: > 0 } at)
        {
            return;
        }

        if (snapshot.AtTime is null)
        {
            throw Invalid("snapshot.at", "time of day must be HH:MM (UTC)", at);
        }

        Check(interval.Ticks % TimeSpan.TicksPerDay == 0, "snapshot.at", "a time of day needs a snapshot interval of whole days", interval);
    }

    /// <summary>A level or type nobody knows would write the wrong records, or none (trap B38).</summary>
    private static void CheckLogging(LoggingSettings logging)
    {
        if (logging.Type.Length > 0 && !LoggingSettings.Types.Contains(logging.Type))
        {
            throw new ConfigurationException($"logging.type: unknown type \"{logging.Type}\" (allowed: {string.Join(", ", LoggingSettings.Types)})");
        }

        if (logging.Level.Length > 0 && !LoggingSettings.Levels.Contains(logging.Level.ToLowerInvariant()))
        {
            throw new ConfigurationException($"logging.level: unknown level \"{logging.Level}\" (allowed: {string.Join(", ", LoggingSettings.Levels)})");
        }
    }

    private static void CheckPositive(string field, string what, TimeSpan value) =>
        Check(value > TimeSpan.Zero, field, what + " must be greater than 0", value);

    private static void Check(bool valid, string field, string rule, TimeSpan value)
    {
        if (!valid)
        {
            throw Invalid(field, rule, DurationText.Format(value));
        }
    }

    private static ConfigurationException Invalid(string field, string rule, string value) => new($"{field}: {rule} (got {value})");
}
