using Litestream.Configuration.Yaml;

namespace Litestream.Configuration;

/// <summary>The <c>logging</c> mapping (§10).</summary>
public sealed class LoggingSettings
{
    internal static FieldTable<LoggingSettings> Fields { get; } = new()
    {
        ["level"] = (l, n, d) => l.Level = d.Text(n) ?? "",
        ["type"] = (l, n, d) => l.Type = d.Text(n) ?? "",
        ["stderr"] = (l, n, d) => l.Stderr = d.Boolean(n) ?? false,
        ["source"] = (l, n, d) => l.Source = d.Boolean(n) ?? false,
    };

    /// <summary>Smallest level written, as configured: empty = info.</summary>
    public string Level { get; set; } = "";

    /// <summary><c>text</c>, <c>json</c> or <c>pretty</c>; empty = text.</summary>
    public string Type { get; set; } = "";

    /// <summary>Records go to standard error instead of standard output.</summary>
    public bool Stderr { get; set; }

    /// <summary>Asks for the place in the source that wrote each record.</summary>
    public bool Source { get; set; }

    /// <summary>Words accepted as a level, in any case.</summary>
    public static IReadOnlyList<string> Levels { get; } = ["trace", "debug", "info", "warn", "warning", "error"];

    /// <summary>Words accepted as a type.</summary>
    public static IReadOnlyList<string> Types { get; } = ["text", "json", "pretty"];
}
