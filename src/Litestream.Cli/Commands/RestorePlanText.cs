using System.Globalization;
using System.Text;
using Litestream.Cli.Output;
using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Cli.Commands;

/// <summary>The plan that <c>restore -dry-run</c> prints (§2.2).</summary>
internal static class RestorePlanText
{
    public static string Format(RestorePlan plan, string source, string target, string replica)
    {
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

    public static string FormatJson(RestorePlan plan, string source, string target, string replica) => JsonOutput.Format(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("source", source);
        writer.WriteString("target_path", target);
        writer.WriteString("replica", replica);
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
}
