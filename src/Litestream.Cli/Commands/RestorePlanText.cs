using System.Globalization;
using System.Text;
using System.Text.Json;
using Litestream.Cli.Output;
using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Cli.Commands;

/// <summary>The plan that <c>restore -dry-run</c> prints (§2.2).</summary>
internal static class RestorePlanText
{
    public static string Format(RestorePlan plan, string source, string target, string replica)
    {
        if (plan.Generation is { } generation)
        {
            return FormatGeneration(generation, source, target, replica);
        }

        TextTable table = new("level", "file", "min_txid", "max_txid", "size", "timestamp");
        foreach (LtxFileInfo file in plan.Files)
        {
            table.Add(
                file.Level.ToString(CultureInfo.InvariantCulture), file.Name, file.MinTxid.ToString(), file.MaxTxid.ToString(),
                file.Size.ToString(CultureInfo.InvariantCulture), TimeText.Seconds(file.CreatedAt));
        }

        StringBuilder text = new("Restore plan:\n");
        text.Append(CultureInfo.InvariantCulture, $"  source: {source}\n  target: {target}\n  replica: {replica}\n");
        text.Append(CultureInfo.InvariantCulture, $"  txid range: {plan.MinTxid} - {plan.MaxTxid}\n\nFiles to fetch:\n");
        return text.Append(table).ToString();
    }

    /// <summary>A v0.3 backup has no transactions: its generation and files are shown instead.</summary>
    private static string FormatGeneration(GenerationPlan plan, string source, string target, string replica)
    {
        TextTable table = new("file", "size", "timestamp");
        foreach (GenerationFile file in Files(plan))
        {
            table.Add(file.Name, file.Size.ToString(CultureInfo.InvariantCulture), TimeText.Seconds(file.CreatedAt));
        }

        return $"Restore plan:\n  source: {source}\n  target: {target}\n  replica: {replica}\n  v0.3 generation: {plan.Generation}\n\nFiles to fetch:\n{table}";
    }

    private static IEnumerable<GenerationFile> Files(GenerationPlan plan) => [plan.Snapshot, .. plan.Segments];

    public static string FormatJson(RestorePlan plan, string source, string target, string replica) => JsonOutput.Format(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("source", source);
        writer.WriteString("target_path", target);
        writer.WriteString("replica", replica);
        if (plan.Generation is { } generation)
        {
            WriteGeneration(writer, generation);
            return;
        }

        writer.WriteString("min_txid", plan.MinTxid.ToString());
        writer.WriteString("max_txid", plan.MaxTxid.ToString());
        writer.WriteStartArray("files");
        foreach (LtxFileInfo file in plan.Files)
        {
            writer.WriteStartObject();
            writer.WriteNumber("level", file.Level);
            writer.WriteString("name", file.Name);
            writer.WriteString("min_txid", file.MinTxid.ToString());
            writer.WriteString("max_txid", file.MaxTxid.ToString());
            writer.WriteNumber("size", file.Size);
            writer.WriteString("timestamp", TimeText.Seconds(file.CreatedAt));
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    });

    private static void WriteGeneration(Utf8JsonWriter writer, GenerationPlan plan)
    {
        writer.WriteString("min_txid", "");
        writer.WriteString("max_txid", "");
        writer.WriteString("generation", plan.Generation);
        writer.WriteStartArray("files");
        foreach (GenerationFile file in Files(plan))
        {
            writer.WriteStartObject();
            writer.WriteString("name", file.Name);
            writer.WriteNumber("size", file.Size);
            writer.WriteString("timestamp", TimeText.Seconds(file.CreatedAt));
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
