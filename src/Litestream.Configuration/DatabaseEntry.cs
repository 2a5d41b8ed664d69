using Litestream.Configuration.Yaml;

namespace Litestream.Configuration;

/// <summary>One item of <c>dbs</c> as written (§3.5): a database file or a directory of them.</summary>
internal sealed class DatabaseEntry
{
    public static FieldTable<DatabaseEntry> Fields { get; } = new()
    {
        ["path"] = (e, n, d) => e.Path = d.Text(n) ?? "",
        ["dir"] = (e, n, d) => e.Directory = d.Text(n) ?? "",
        ["pattern"] = (e, n, d) => e.Pattern = d.Text(n) ?? "",
        ["recursive"] = (e, n, d) => e.Recursive = d.Boolean(n) ?? false,
        ["watch"] = (e, n, d) => e.Watch = d.Boolean(n) ?? false,
        ["meta-path"] = (e, n, d) => e.MetaPath = d.Text(n) ?? "",
        ["meta-dir"] = (e, n, d) => e.MetaDirectory = d.Text(n) ?? "",
        ["monitor-interval"] = (e, n, d) => e.MonitorInterval = d.Duration(n),
        ["checkpoint-interval"] = (e, n, d) => e.CheckpointInterval = d.Duration(n),
        ["busy-timeout"] = (e, n, d) => e.BusyTimeout = d.Duration(n),
        ["min-checkpoint-page-count"] = (e, n, d) => e.MinCheckpointPageCount = (int?)d.Integer(n, "int", int.MinValue, int.MaxValue),
        ["truncate-page-n"] = (e, n, d) => e.TruncatePageCount = d.Integer(n),
        ["max-sync-wal-bytes"] = (e, n, d) => e.MaxSyncWalBytes = d.Integer(n, "int64"),
        ["restore-if-db-not-exists"] = (e, n, d) => e.RestoreIfMissing = d.Boolean(n) ?? false,
        ["snapshot"] = (e, n, d) => d.Map(n, e.Snapshot, SnapshotSettings.Fields, "snapshot"),
        ["replica"] = (e, n, d) => e.Replica = ReadReplica(n, d),
        ["replicas"] = (e, n, d) => e.Replicas = d.List(n, ReplicaSettings.Fields, "replicas", "replica") ?? [],
    };

    public string Path { get; set; } = "";

    public string Directory { get; set; } = "";

    public string Pattern { get; set; } = "";

    public bool Recursive { get; set; }

    public bool Watch { get; set; }

    public string MetaPath { get; set; } = "";

    public string MetaDirectory { get; set; } = "";

    public TimeSpan? MonitorInterval { get; set; }

    public TimeSpan? CheckpointInterval { get; set; }

    public TimeSpan? BusyTimeout { get; set; }

    public int? MinCheckpointPageCount { get; set; }

    public long? TruncatePageCount { get; set; }

    public long? MaxSyncWalBytes { get; set; }

    public bool RestoreIfMissing { get; set; }

    public SnapshotSettings Snapshot { get; } = new();

    public ReplicaSettings? Replica { get; set; }

    public List<ReplicaSettings> Replicas { get; set; } = [];

    /// <summary>Path or directory, whichever the entry has.</summary>
    public string Name => Path.Length > 0 ? Path : Directory;

    private static ReplicaSettings? ReadReplica(YamlNode node, YamlDecoder decoder)
    {
        if (node.IsNull)
        {
            return null;
        }

        ReplicaSettings replica = new();
        decoder.Map(node, replica, ReplicaSettings.Fields, "replica");
        return replica;
    }
}
