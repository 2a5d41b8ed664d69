using Litestream.Configuration.Yaml;

namespace Litestream.Configuration;

/// <summary>The settings of a configuration file with defaults filled in (cli-config-control §3).</summary>
public sealed class LitestreamConfiguration
{
    /// <summary>Retention of local L0 files when the key is empty or absent.</summary>
    private static readonly TimeSpan DefaultL0Retention = TimeSpan.FromMinutes(5);

    private const int DefaultVerifyShare = 24;

    private static readonly TimeSpan DefaultSnapshotTime = TimeSpan.FromHours(24);

    private static DatabaseOptions Defaults { get; } = new() { Path = "" };

    internal static FieldTable<LitestreamConfiguration> Fields { get; } = CreateFields();

    /// <summary>Metrics listener <c>host:port</c>; empty = off.</summary>
    public string Addr { get; private set; } = "";

    /// <summary>MCP listener; empty = off.</summary>
    public string McpAddr { get; private set; } = "";

    /// <summary>Command of the child process; empty = none.</summary>
    public string Exec { get; private set; } = "";

    /// <summary>Control socket.</summary>
    public SocketSettings Socket { get; private set; } = new();

    /// <summary>Log records.</summary>
    public LoggingSettings Logging { get; private set; } = new();

    /// <summary>Levels 1, 2, …</summary>
    public IReadOnlyList<LevelOptions> Levels { get; private set; } = Defaults.Levels;

    /// <summary>Time between full snapshots.</summary>
    public TimeSpan SnapshotInterval => Snapshot.Interval ?? DefaultSnapshotTime;

    /// <summary>How long restore points are kept.</summary>
    public TimeSpan SnapshotRetention => Snapshot.Retention ?? DefaultSnapshotTime;

    /// <summary>Interval of the contiguity check; null = off.</summary>
    public TimeSpan? ValidationInterval { get; private set; }

    /// <summary>How long L0 files are kept; 0 = for ever.</summary>
    public TimeSpan L0Retention { get; private set; } = DefaultL0Retention;

    /// <summary>Interval of the L0 retention check.</summary>
    public TimeSpan L0RetentionCheckInterval { get; private set; } = TimeSpan.FromSeconds(15);

    /// <summary>Check the destination level after each compaction.</summary>
    public bool VerifyCompaction { get; private set; }

    /// <summary>Keep merged files in the state directory until they are merged again.</summary>
    public bool LocalLevels { get; private set; } = true;

    /// <summary>How often the replica of a busy database is compared with what is known; 0 = never.</summary>
    public TimeSpan AuditInterval { get; private set; } = Defaults.AuditInterval;

    /// <summary>False = nothing is ever deleted remotely.</summary>
    public bool RetentionEnabled { get; private set; } = true;

    /// <summary>URL pinged while everything is in sync; empty = none.</summary>
    public string HeartbeatUrl { get; private set; } = "";

    /// <summary>Time between those pings.</summary>
    public TimeSpan HeartbeatInterval { get; private set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the final upload is retried at shutdown; 0 = one attempt.</summary>
    public TimeSpan ShutdownSyncTimeout { get; private set; } = TimeSpan.FromSeconds(30);

    /// <summary>Pause between those retries.</summary>
    public TimeSpan ShutdownSyncInterval { get; private set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Keys and variables without effect, in the order of the file (trap B1, B17).</summary>
    public IReadOnlyList<ConfigurationWarning> Warnings { get; internal set; } = [];

    /// <summary>Valid keys whose feature this version does not have, in the order of the file.</summary>
    public IReadOnlyList<ConfigurationWarning> Unavailable { get; internal set; } = [];

    /// <summary>How often replicas are verified; 0 = never (decision D17).</summary>
    public TimeSpan VerifyInterval { get; private set; }

    /// <summary>Each of those runs reads one n-th of a replica.</summary>
    public int VerifyShare { get; private set; } = DefaultVerifyShare;

    /// <summary>Each of those runs also restores and compares with the database.</summary>
    public bool VerifyDeep { get; private set; }

    /// <summary>Requests to stores per second over all databases, every attempt counted; 0 = no limit (decision D39).</summary>
    public int MaxRequestsPerSecond { get; private set; }

    /// <summary>Longest wait for a connection to a store.</summary>
    public TimeSpan ConnectTimeout { get; private set; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest time without a byte while a request to a store runs.</summary>
    public TimeSpan IdleTimeout { get; private set; } = TimeSpan.FromSeconds(60);

    internal SnapshotSettings Snapshot { get; } = new();

    internal ReplicaSettings ReplicaDefaults { get; } = new();

    internal List<DatabaseEntry> Databases { get; set; } = [];

    /// <summary>Lines of the top-level keys that were written.</summary>
    internal Dictionary<string, int> WrittenKeys { get; } = [];

    /// <summary>Sets <c>restore-if-db-not-exists</c> on every entry, as the flag of that name does.</summary>
    public void RestoreMissingDatabases() => Databases.ForEach(entry => entry.RestoreIfMissing = true);

    private static FieldTable<LitestreamConfiguration> CreateFields()
    {
        FieldTable<LitestreamConfiguration> fields = new()
        {
            ["addr"] = (c, n, d) => c.Addr = d.Text(n) ?? "",
            ["mcp-addr"] = (c, n, d) => c.McpAddr = d.Text(n) ?? "",
            ["exec"] = (c, n, d) => c.Exec = d.Text(n) ?? "",
            ["socket"] = (c, n, d) => c.Socket = ReadSocket(n, d),
            ["levels"] = (c, n, d) => c.Levels = [.. (d.List(n, LevelFields, "levels", "level") ?? []).Select(level => new LevelOptions(level.Interval, level.Retention))],
            ["snapshot"] = (c, n, d) => d.Map(n, c.Snapshot, SnapshotSettings.Fields, "snapshot"),
            ["validation"] = (c, n, d) => d.Map(n, c, ValidationFields, "validation"),
            ["verify"] = (c, n, d) => d.Map(n, c, VerifyFields, "verify"),
            ["l0-retention"] = (c, n, d) => c.L0Retention = d.Duration(n) ?? DefaultL0Retention,
            ["l0-retention-check-interval"] = (c, n, d) => c.L0RetentionCheckInterval = d.Duration(n) ?? c.L0RetentionCheckInterval,
            ["local-levels"] = (c, n, d) => c.LocalLevels = d.Boolean(n) ?? true,
            ["audit-interval"] = (c, n, d) => c.AuditInterval = d.Duration(n) ?? c.AuditInterval,
            ["verify-compaction"] = (c, n, d) => c.VerifyCompaction = d.Boolean(n) ?? false,
            ["retention"] = (c, n, d) => d.Map(n, c, RetentionFields, "retention"),
            ["heartbeat-url"] = (c, n, d) => c.HeartbeatUrl = d.Text(n) ?? "",
            ["heartbeat-interval"] = (c, n, d) => c.HeartbeatInterval = d.Duration(n) ?? c.HeartbeatInterval,
            ["shutdown-sync-timeout"] = (c, n, d) => c.ShutdownSyncTimeout = d.Duration(n) ?? c.ShutdownSyncTimeout,
            ["shutdown-sync-interval"] = (c, n, d) => c.ShutdownSyncInterval = d.Duration(n) ?? c.ShutdownSyncInterval,
            ["max-requests-per-second"] = (c, n, d) => c.MaxRequestsPerSecond = (int?)d.Integer(n, "int", 0, 1_000_000) ?? 0,
            ["connect-timeout"] = (c, n, d) => c.ConnectTimeout = d.Duration(n) ?? c.ConnectTimeout,
            ["idle-timeout"] = (c, n, d) => c.IdleTimeout = d.Duration(n) ?? c.IdleTimeout,
            ["logging"] = (c, n, d) => d.Map(n, c.Logging = new(), LoggingSettings.Fields, "logging"),
            ["dbs"] = (c, n, d) => c.Databases = d.List(n, DatabaseEntry.Fields, "dbs", "database") ?? [],
        };
        foreach ((string key, Action<ReplicaSettings, YamlNode, YamlDecoder> set) in ReplicaSettings.Shared)
        {
            fields.Add(key, (c, n, d) => set(c.ReplicaDefaults, n, d));
        }

        foreach ((string key, Action<LitestreamConfiguration, YamlNode, YamlDecoder> set) in fields.ToArray())
        {
            fields[key] = (c, n, d) =>
            {
                c.WrittenKeys[key] = n.Line;
                set(c, n, d);
            };
        }

        return fields;
    }

    private static FieldTable<Level> LevelFields { get; } = new()
    {
        ["interval"] = (l, n, d) => l.Interval = d.Duration(n) ?? TimeSpan.Zero,
        ["retention"] = (l, n, d) => l.Retention = d.Duration(n),
    };

    private static FieldTable<LitestreamConfiguration> ValidationFields { get; } = new()
    {
        ["interval"] = (c, n, d) => c.ValidationInterval = d.Duration(n),
    };

    private static FieldTable<LitestreamConfiguration> VerifyFields { get; } = new()
    {
        ["interval"] = (c, n, d) => c.VerifyInterval = d.Duration(n) ?? TimeSpan.Zero,
        ["share"] = (c, n, d) => c.VerifyShare = ReadShare(n, d),
        ["deep"] = (c, n, d) => c.VerifyDeep = d.Boolean(n) ?? false,
    };

    private static FieldTable<LitestreamConfiguration> RetentionFields { get; } = new()
    {
        ["enabled"] = (c, n, d) => c.RetentionEnabled = d.Boolean(n) ?? true,
    };

    private static int ReadShare(YamlNode node, YamlDecoder decoder)
    {
        if (decoder.Text(node) is not { } text)
        {
            return DefaultVerifyShare;
        }

        (int share, string? problem) = Verify.VerifyShare.Parse(text);
        return problem is null ? share : throw new ConfigurationException($"verify.share: {problem} (got {text})");
    }

    /// <summary>A null mapping switches everything in it off, as upstream reads it (§3.3).</summary>
    private static SocketSettings ReadSocket(YamlNode node, YamlDecoder decoder)
    {
        SocketSettings socket = new();
        if (node.IsNull)
        {
            (socket.Path, socket.Permissions) = ("", 0);
        }

        decoder.Map(node, socket, SocketSettings.Fields, "socket");
        return socket;
    }

    private sealed class Level
    {
        public TimeSpan Interval { get; set; }

        public TimeSpan? Retention { get; set; }
    }
}
