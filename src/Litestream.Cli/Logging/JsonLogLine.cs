using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Logging;

/// <summary>
/// One JSON object per line. A dot in a name makes a nested object; no key occurs twice: an attribute called like one of
/// the record's own fields gets a prefix (trap B50).
/// </summary>
internal static class JsonLogLine
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly HashSet<string> OwnFields = ["time", "level", "msg", "source"];

    public static string Format(
        DateTimeOffset time, LogLevel level, string message, IReadOnlyList<KeyValuePair<string, object?>> attributes)
    {
        using MemoryStream buffer = new();
        using (Utf8JsonWriter writer = new(buffer, Options))
        {
            writer.WriteStartObject();
            writer.WriteString("time", time.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture) + LogValue.Zone(time));
            writer.WriteString("level", LogValue.Level(level));
            writer.WriteString("msg", message);
            WriteMembers(writer, Unique(attributes));
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length) + "\n";
    }

    /// <summary>The attributes under names that are free: the LTX level becomes <c>ltx_level</c>, the level setting <c>log_level</c>.</summary>
    private static List<KeyValuePair<string, object?>> Unique(IReadOnlyList<KeyValuePair<string, object?>> attributes)
    {
        HashSet<string> taken = [.. OwnFields];
        List<KeyValuePair<string, object?>> unique = [];
        foreach ((string name, object? value) in attributes)
        {
            string free = (name, value) switch
            {
                ("level", string) => "log_level",
                ("level", _) => "ltx_level",
                _ => name,
            };
            while (!taken.Add(free))
            {
                free = "_" + free;
            }

            unique.Add(new(free, value));
        }

        return unique;
    }

    private static void WriteMembers(Utf8JsonWriter writer, List<KeyValuePair<string, object?>> members)
    {
        HashSet<string> done = [];
        foreach ((string name, object? value) in members)
        {
            int dot = name.IndexOf('.', StringComparison.Ordinal);
            if (dot <= 0 || dot == name.Length - 1)
            {
                writer.WritePropertyName(name);
                WriteValue(writer, value);
            }
            else if (done.Add(name[..dot]))
            {
                string prefix = name[..(dot + 1)];
                writer.WriteStartObject(name[..dot]);
                WriteMembers(writer, [.. members.Where(m => m.Key.StartsWith(prefix, StringComparison.Ordinal) && m.Key.Length > prefix.Length)
                    .Select(m => new KeyValuePair<string, object?>(m.Key[prefix.Length..], m.Value))]);
                writer.WriteEndObject();
            }
        }
    }

    private static void WriteValue(Utf8JsonWriter writer, object? value)
    {
        switch (value)
        {
            case null:
                writer.WriteNullValue();
                break;
            case bool flag:
                writer.WriteBooleanValue(flag);
                break;
            case TimeSpan duration:
                writer.WriteNumberValue(duration.Ticks * 100m);
                break;
            case PosixSignal signal:
                writer.WriteNumberValue(LogValue.SignalNumber(signal));
                break;
            case DateTimeOffset time:
                writer.WriteStringValue(time.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture) + LogValue.Zone(time));
                break;
            case double number when double.IsFinite(number):
                writer.WriteNumberValue(number);
                break;
            case sbyte or byte or short or ushort or int or uint or long:
                writer.WriteNumberValue(Convert.ToInt64(value, CultureInfo.InvariantCulture));
                break;
            case ulong number:
                writer.WriteNumberValue(number);
                break;
            default:
                writer.WriteStringValue(LogValue.Text(value));
                break;
        }
    }
}
