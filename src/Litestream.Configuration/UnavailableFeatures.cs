namespace Litestream.Configuration;

/// <summary>
/// Valid keys whose feature does not exist in this version. They are reported, never silently dropped: a user who believes
/// in retention, metrics or heartbeats that do not run would be misled.
/// </summary>
internal static class UnavailableFeatures
{
    private static readonly (string Key, string Feature)[] Keys =
    [
        ("addr", "the metrics listener"),
        ("mcp-addr", "the MCP server"),
        ("heartbeat-url", "the heartbeat"),
        ("heartbeat-interval", "the heartbeat"),
    ];

    public static IReadOnlyList<ConfigurationWarning> Find(LitestreamConfiguration configuration)
    {
        List<ConfigurationWarning> found = [];
        foreach ((string key, string feature) in Keys)
        {
            if (configuration.WrittenKeys.TryGetValue(key, out int line))
            {
                found.Add(Warning(line, key, feature));
            }
        }

        if (configuration.Logging.Source)
        {
            found.Add(Warning(configuration.WrittenKeys["logging"], "logging.source", "source lines in log records"));
        }

        if (configuration.Socket.Enabled)
        {
            found.Add(Warning(configuration.Socket.Line, "socket", "the control socket"));
        }

        return [.. found.OrderBy(w => w.Line)];
    }

    private static ConfigurationWarning Warning(int line, string key, string feature, string? hint = null) =>
        new(line, key, $"not yet supported in this version: {feature}", hint);
}
