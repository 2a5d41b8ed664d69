using System.Globalization;
using System.Text;
using System.Text.Json;
using Litestream.Cli.Output;
using Litestream.Ltx;
using Litestream.Restore;

namespace Litestream.Cli.Commands;

/// <summary>What <c>points</c> prints: ranges, then what is missing, then what v0.3 left.</summary>
internal static class RestorePointsText
{
    public static string Format(RestorePoints points)
    {
        TextTable table = new("from", "to", "from_txid", "to_txid", "points", "granularity");
        foreach (GenerationRange range in points.Generations)
        {
            table.Add(TimeText.Seconds(range.From), TimeText.Seconds(range.To), "-", "-", Number(range.Count), $"v0.3 generation {range.Generation}");
        }

        foreach (RestoreRange range in points.Ranges)
        {
            table.Add(
                TimeText.Seconds(range.First.Time), TimeText.Seconds(range.Last.Time), range.First.Txid.ToString(), range.Last.Txid.ToString(),
                Number(range.Count), Granularity(range.Level));
        }

        StringBuilder text = new(points.Ranges.Count + points.Generations.Count == 0 ? "nothing can be restored\n" : table.ToString());
        foreach (RestoreGap gap in points.Gaps)
        {
            text.Append(GapLine(gap)).Append('\n');
        }

        foreach (GenerationRange range in points.Generations.Where(range => range.Lost > 0))
        {
            text.Append(CultureInfo.InvariantCulture, $"gap: v0.3 generation {range.Generation} has {range.Lost} files that cannot be used: their snapshot or the beginning of a WAL file is missing\n");
        }

        return text.ToString();
    }

    public static string FormatJson(RestorePoints points, string source, string replica) => JsonOutput.Format(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("source", source);
        writer.WriteString("replica", replica);
        WriteArray(writer, "ranges", points.Ranges, WriteRange);
        WriteArray(writer, "gaps", points.Gaps, WriteGap);
        WriteArray(writer, "generations", points.Generations, WriteGeneration);
        writer.WriteEndObject();
    });

    private static string GapLine(RestoreGap gap)
    {
        string missing = string.Join(", ", gap.Missing.Select(range => range.First == range.Last ? $"{range.First}" : $"{range.First} to {range.Last}"));
        string lost = gap.Lost.Count switch
        {
            0 => "nothing between the snapshots around them can be restored",
            1 => $"the point {Describe(gap.Lost[0])} is lost",
            _ => $"{Number(gap.Lost.Count)} points from {Describe(gap.Lost[0])} to {Describe(gap.Lost[^1])} are lost",
        };
        string end = gap.Resumes.IsNone ? "; nothing newer can be restored" : "";
        return $"gap: transactions {missing} are missing; {lost}{end}";
    }

    private static string Describe(RestorePoint point) => $"{point.Txid} ({TimeText.Seconds(point.Time)})";

    private static string Granularity(int level) => level switch
    {
        0 => "every transaction",
        9 => "snapshot",
        _ => $"every file of level {level}",
    };

    private static void WriteArray<T>(Utf8JsonWriter writer, string name, IReadOnlyList<T> items, Action<Utf8JsonWriter, T> write)
    {
        writer.WriteStartArray(name);
        foreach (T item in items)
        {
            writer.WriteStartObject();
            write(writer, item);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteRange(Utf8JsonWriter writer, RestoreRange range)
    {
        WriteEnds(writer, range.First, range.Last, range.Count);
        writer.WriteNumber("level", range.Level);
        writer.WriteString("granularity", Granularity(range.Level));
    }

    private static void WriteGap(Utf8JsonWriter writer, RestoreGap gap)
    {
        writer.WriteString("after_txid", Text(gap.After));
        WriteArray(writer, "missing", gap.Missing, static (writer, range) =>
        {
            writer.WriteString("min_txid", range.First.ToString());
            writer.WriteString("max_txid", range.Last.ToString());
        });
        writer.WriteNumber("lost_points", gap.Lost.Count);
        if (gap.Lost.Count > 0)
        {
            writer.WriteStartObject("lost");
            WriteEnds(writer, gap.Lost[0], gap.Lost[^1], gap.Lost.Count);
            writer.WriteEndObject();
        }

        writer.WriteString("resumes_txid", Text(gap.Resumes));
    }

    private static void WriteGeneration(Utf8JsonWriter writer, GenerationRange range)
    {
        writer.WriteString("generation", range.Generation);
        writer.WriteString("from", TimeText.Seconds(range.From));
        writer.WriteString("to", TimeText.Seconds(range.To));
        writer.WriteNumber("points", range.Count);
        writer.WriteNumber("lost_files", range.Lost);
    }

    private static void WriteEnds(Utf8JsonWriter writer, RestorePoint first, RestorePoint last, int count)
    {
        writer.WriteString("from", TimeText.Seconds(first.Time));
        writer.WriteString("to", TimeText.Seconds(last.Time));
        writer.WriteString("min_txid", first.Txid.ToString());
        writer.WriteString("max_txid", last.Txid.ToString());
        writer.WriteNumber("points", count);
    }

    private static string Text(Txid txid) => txid.IsNone ? "" : txid.ToString();

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
