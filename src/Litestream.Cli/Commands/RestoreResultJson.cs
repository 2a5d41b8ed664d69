using System.Text.Json;
using Litestream.Cli.Output;
using Litestream.Ltx;
using Litestream.Restore;

namespace Litestream.Cli.Commands;

/// <summary>The result of <c>litestream restore -json</c> (§2.2).</summary>
internal static class RestoreResultJson
{
    public static string Format(
        string target, string replica, Txid txid, TimeSpan duration, string integrityCheck, DeltaReport? delta = null) => JsonOutput.Format(writer =>
    {
        writer.WriteStartObject();
        Write(writer, target, replica, txid, duration, integrityCheck);
        if (delta is not null)
        {
            writer.WriteStartObject("delta");
            writer.WriteString("base_txid", delta.BaseTxid.ToString());
            writer.WriteNumber("pages_copied", delta.PagesCopied);
            writer.WriteNumber("pages_fetched", delta.PagesFetched);
            writer.WriteNumber("pages_damaged", delta.PagesDamaged);
            writer.WriteNumber("pages_unverified", delta.PagesUnverified);
            writer.WriteNumber("bytes_fetched", delta.BytesFetched);
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    });

    /// <summary>The properties that every result has.</summary>
    public static void Write(Utf8JsonWriter writer, string target, string replica, Txid txid, TimeSpan duration, string integrityCheck)
    {
        writer.WriteString("db_path", target);
        writer.WriteString("replica", replica);
        writer.WriteString("txid", txid.IsNone ? "" : txid.ToString());
        writer.WriteNumber("duration_ms", (long)duration.TotalMilliseconds);
        writer.WriteString("integrity_check", integrityCheck);
    }
}
