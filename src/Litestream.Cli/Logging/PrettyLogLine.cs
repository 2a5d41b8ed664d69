using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Logging;

/// <summary>The form for people: <c>15:04:05 INF msg key=value</c>; colours only on a terminal (trap A31).</summary>
internal static class PrettyLogLine
{
    public static string Format(
        DateTimeOffset time, LogLevel level, string message, IEnumerable<KeyValuePair<string, object?>> attributes, bool colors)
    {
        (string word, string color) = level switch
        {
            LogLevel.Trace => ("TRC", "\e[2m"),
            LogLevel.Debug => ("DBG", "\e[2m"),
            LogLevel.Information => ("INF", "\e[92m"),
            LogLevel.Warning => ("WRN", "\e[93m"),
            _ => ("ERR", "\e[91m"),
        };
        StringBuilder line = new(time.ToString("HH:mm:ss", CultureInfo.InvariantCulture));
        line.Append(' ').Append(colors ? color + word + "\e[0m" : word).Append(' ').Append(message);
        TextLogLine.AppendAttributes(line, attributes);
        return line.Append('\n').ToString();
    }
}
