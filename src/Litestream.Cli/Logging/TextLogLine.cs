using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Logging;

/// <summary>The default form: <c>time=… level=INFO msg="initialized db" path=/x</c>, quoted where a value needs it.</summary>
internal static class TextLogLine
{
    public static string Format(
        DateTimeOffset time, LogLevel level, string message, IEnumerable<KeyValuePair<string, object?>> attributes)
    {
        StringBuilder line = new();
        line.Append("time=").Append(LogValue.Text(time)).Append(" level=").Append(LogValue.Level(level));
        line.Append(" msg=").Append(Quote(message));
        AppendAttributes(line, attributes);
        return line.Append('\n').ToString();
    }

    public static void AppendAttributes(StringBuilder line, IEnumerable<KeyValuePair<string, object?>> attributes)
    {
        foreach ((string name, object? value) in attributes)
        {
            line.Append(' ').Append(Quote(name)).Append('=').Append(Quote(LogValue.Text(value)));
        }
    }

    /// <summary>Puts quotes around a value that a reader of logfmt could not take apart otherwise.</summary>
    public static string Quote(string value) => NeedsQuotes(value) ? Escape(value) : value;

    private static bool NeedsQuotes(string value) =>
        value.Length == 0 || value.Any(c => c is ' ' or '=' or '"' || IsUnprintable(c)) || HasBrokenSurrogate(value);

    private static string Escape(string value)
    {
        StringBuilder quoted = new("\"");
        foreach (Rune rune in value.EnumerateRunes())
        {
            quoted.Append(rune.Value switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                < 0x20 or 0x7f => "\\x" + rune.Value.ToString("x2", CultureInfo.InvariantCulture),
                < 0x10000 when IsUnprintable((char)rune.Value) => "\\u" + rune.Value.ToString("x4", CultureInfo.InvariantCulture),
                _ => rune.ToString(),
            });
        }

        return quoted.Append('"').ToString();
    }

    private static bool HasBrokenSurrogate(string value) =>
        value.Any(char.IsSurrogate) && value.EnumerateRunes().Any(r => r == Rune.ReplacementChar);

    private static bool IsUnprintable(char c) => char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.OtherNotAssigned
        || (char.IsWhiteSpace(c) && c != ' ');
}
