using System.Globalization;

namespace Litestream.Cli.Output;

/// <summary>Times in results.</summary>
internal static class TimeText
{
    /// <summary>RFC 3339 in whole seconds, UTC.</summary>
    public static string Seconds(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>RFC 3339 in milliseconds, UTC: the resolution of a file's time.</summary>
    public static string Milliseconds(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
