using Litestream.Cli.Output;
using Litestream.Ltx;

namespace Litestream.Cli.Commands;

/// <summary>The result of <c>litestream restore -json</c> (§2.2).</summary>
internal static class RestoreResultJson
{
    public static string Format(string target, string replica, Txid txid, TimeSpan duration, string integrityCheck) => JsonOutput.Format(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("db_path", target);
        writer.WriteString("replica", replica);
        writer.WriteString("txid", txid.IsNone ? "" : txid.ToString());
        writer.WriteNumber("duration_ms", (long)duration.TotalMilliseconds);
        writer.WriteString("integrity_check", integrityCheck);
        writer.WriteEndObject();
    });
}
