using System.Globalization;
using System.Text;
using System.Text.Json;
using Litestream.Restore;
using Litestream.Verify;

namespace Litestream.Cli.Output;

/// <summary>The report of a verification as text and as JSON (decision D16).</summary>
internal static class VerifyText
{
    /// <summary>The line that scripts look for, then one line for each problem.</summary>
    public static string Lines(string subject, VerifyReport report)
    {
        var text = new StringBuilder();
        string proven = report.Proven.IsNone ? "nothing proven" : $"proven to {report.Proven} ({Time(report.ProvenTime)})";
        string lost = report.Lost.Count == 0 ? "none" : string.Join(", ", report.Lost.Select(Range));
        text.Append(CultureInfo.InvariantCulture, $"{subject}: {proven} at {TimeText.Seconds(report.ProvenAt)}; ");
        text.Append(CultureInfo.InvariantCulture, $"{report.FilesRead} files, {report.BytesRead} bytes; {report.Damaged.Count} damaged; lost: {lost}\n");
        Append(text, "", report.Damaged);
        Append(text, "", report.Unreadable);
        Append(text, "repaired: ", report.Repaired);
        if (report.DeepProblem is { } problem)
        {
            text.Append(CultureInfo.InvariantCulture, $"  restored copy: {problem}\n");
        }
        else if (report.DeepChecked)
        {
            text.Append("  restored copy: ok").Append(report.ComparedWithDatabase ? ", equal to the database\n" : "\n");
        }

        return text.ToString();
    }

    /// <summary>The same as one object.</summary>
    public static string Json(string subject, VerifyReport report) => JsonOutput.Format(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("path", subject);
        writer.WriteString("result", report.Result);
        writer.WriteString("proven_txid", report.Proven.IsNone ? "" : report.Proven.ToString());
        writer.WriteString("proven_time", report.ProvenTime is { } time ? TimeText.Milliseconds(time) : "");
        writer.WriteString("proven_at", TimeText.Seconds(report.ProvenAt));
        writer.WriteString("newest_txid", report.Newest.IsNone ? "" : report.Newest.ToString());
        writer.WriteNumber("files", report.FilesRead);
        writer.WriteNumber("bytes", report.BytesRead);
        writer.WriteNumber("files_total", report.FilesTotal);
        writer.WriteNumber("bytes_total", report.BytesTotal);
        Write(writer, "damaged", report.Damaged);
        Write(writer, "unreadable", report.Unreadable);
        Write(writer, "repaired", report.Repaired);
        writer.WriteStartArray("lost");
        foreach (TxidRange range in report.Lost)
        {
            writer.WriteStartObject();
            writer.WriteString("first_txid", range.First.ToString());
            writer.WriteString("last_txid", range.Last.ToString());
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteBoolean("deep_checked", report.DeepChecked);
        writer.WriteBoolean("compared_with_database", report.ComparedWithDatabase);
        writer.WriteString("deep_problem", report.DeepProblem ?? "");
        writer.WriteEndObject();
    });

    private static void Append(StringBuilder text, string prefix, IReadOnlyList<VerifyFinding> findings)
    {
        foreach (VerifyFinding finding in findings)
        {
            string offset = finding.Offset >= 0 ? string.Create(CultureInfo.InvariantCulture, $", offset {finding.Offset}") : "";
            text.Append(CultureInfo.InvariantCulture, $"  {prefix}level {finding.Level} {finding.Name}: {Word(finding.Problem)}{offset}: {finding.Detail}\n");
        }
    }

    private static void Write(Utf8JsonWriter writer, string name, IReadOnlyList<VerifyFinding> findings)
    {
        writer.WriteStartArray(name);
        foreach (VerifyFinding finding in findings)
        {
            writer.WriteStartObject();
            writer.WriteNumber("level", finding.Level);
            writer.WriteString("name", finding.Name);
            writer.WriteString("min_txid", finding.MinTxid.ToString());
            writer.WriteString("max_txid", finding.MaxTxid.ToString());
            writer.WriteString("problem", Word(finding.Problem));
            writer.WriteString("detail", finding.Detail);
            writer.WriteNumber("offset", finding.Offset);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static string Word(VerifyProblem problem) => problem switch
    {
        VerifyProblem.Damaged => "damaged",
        VerifyProblem.Misplaced => "misplaced",
        VerifyProblem.Missing => "missing",
        _ => "unreadable",
    };

    private static string Range(TxidRange range) => range.First == range.Last ? range.First.ToString() : $"{range.First}-{range.Last}";

    private static string Time(DateTimeOffset? time) => time is { } known ? TimeText.Milliseconds(known) : "";
}
