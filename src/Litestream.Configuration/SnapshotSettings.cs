using System.Globalization;
using Litestream.Configuration.Yaml;

namespace Litestream.Configuration;

/// <summary>The <c>snapshot</c> mapping, global or of one database; null = not written (§3.7, decision D11).</summary>
internal sealed class SnapshotSettings
{
    public static FieldTable<SnapshotSettings> Fields { get; } = new()
    {
        ["interval"] = (s, n, d) => s.Interval = d.Duration(n),
        ["retention"] = (s, n, d) => s.Retention = d.Duration(n),
        ["at"] = (s, n, d) => s.At = d.Text(n),
    };

    public TimeSpan? Interval { get; set; }

    public TimeSpan? Retention { get; set; }

    /// <summary>Time of day as written, <c>HH:MM</c> in UTC (decision D13).</summary>
    public string? At { get; set; }

    /// <summary>The time of day; null if none was written.</summary>
    public TimeSpan? AtTime => At is { Length: > 0 } && TimeOnly.TryParseExact(At, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out TimeOnly time)
        ? time.ToTimeSpan()
        : null;
}
