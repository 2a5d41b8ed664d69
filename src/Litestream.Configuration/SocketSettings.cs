using Litestream.Configuration.Yaml;

namespace Litestream.Configuration;

/// <summary>The <c>socket</c> mapping: the control socket of the daemon (§3.4).</summary>
public sealed class SocketSettings
{
    /// <summary>Path used where none is configured.</summary>
    public const string DefaultPath = "/var/run/litestream.sock";

    private const int DefaultPermissions = 0x180; // 0600

    internal static FieldTable<SocketSettings> Fields { get; } = new()
    {
        ["enabled"] = (s, n, d) => (s.Enabled, s.Line) = (d.Boolean(n) ?? false, n.Line),
        ["path"] = (s, n, d) => s.Path = d.Text(n) ?? "",
        ["permissions"] = (s, n, d) => s.Permissions = d.Integer(n, "uint32", 0, uint.MaxValue) ?? DefaultPermissions,
    };

    /// <summary>Whether the daemon listens.</summary>
    public bool Enabled { get; set; }

    /// <summary>Socket path, used as written.</summary>
    public string Path { get; set; } = DefaultPath;

    /// <summary>File mode of the socket.</summary>
    public long Permissions { get; set; } = DefaultPermissions;

    internal int Line { get; set; }
}
