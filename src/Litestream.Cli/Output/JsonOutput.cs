using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Litestream.Cli.Output;

/// <summary>JSON documents as scripts know them: two-space indent, <c>&amp; &lt; &gt;</c> escaped, one newline at the end (§1.3).</summary>
internal static class JsonOutput
{
    private static readonly JsonWriterOptions Options = new()
    {
        Indented = true,
        IndentSize = 2,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Formats one document.</summary>
    public static string Format(Action<Utf8JsonWriter> write) => Format(write, Options);

    /// <summary>Formats one document on one line: an event of a stream.</summary>
    public static string FormatLine(Action<Utf8JsonWriter> write) => Format(write, Options with { Indented = false });

    private static string Format(Action<Utf8JsonWriter> write, JsonWriterOptions options)
    {
        using MemoryStream buffer = new();
        using (Utf8JsonWriter writer = new(buffer, options))
        {
            write(writer);
        }

        // These three characters occur in JSON only inside strings.
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length)
            .Replace("&", "\\u0026", StringComparison.Ordinal)
            .Replace("<", "\\u003c", StringComparison.Ordinal)
            .Replace(">", "\\u003e", StringComparison.Ordinal) + "\n";
    }

    /// <summary>An array of objects; an empty one is <c>[]</c>, never null (§12).</summary>
    public static string FormatArray<T>(IEnumerable<T> items, Action<Utf8JsonWriter, T> writeProperties) => Format(writer =>
    {
        writer.WriteStartArray();
        foreach (T item in items)
        {
            writer.WriteStartObject();
            writeProperties(writer, item);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    });
}
