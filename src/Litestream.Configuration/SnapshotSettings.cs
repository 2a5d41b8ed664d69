using Litestream.Configuration.Yaml;

namespace Litestream.Configuration;

/// <summary>The <c>snapshot</c> mapping, global or of one database; null = not written (§3.7, decision D11).</summary>
internal sealed class SnapshotSettings
{
    public static FieldTable<SnapshotSettings> Fields { get; } = new()
    {
        ["interval"] = (s, n, d) => s.Interval = d.Duration(n),
        ["retention"] = (s, n, d) => s.Retention = d.Duration(n),
    };

    public TimeSpan? Interval { get; set; }

    public TimeSpan? Retention { get; set; }
}
