using System.Text.Json;
using System.Text.RegularExpressions;
using Litestream.Cli.Commands;
using Litestream.Configuration;

namespace Litestream.Cli.Tests.Replay;

/// <summary>
/// Compares a stream with its recording. What the recording's README excludes is left out on both sides: file sizes, column padding,
/// DEBUG records, records of monitors and levels that run beside.
/// </summary>
internal static partial class ExpectedText
{
    /// <summary>Fails with both texts unless they agree.</summary>
    public static void Check(JsonElement recorded, string actual, string stream, Sandbox sandbox)
    {
        if (recorded.ValueKind == JsonValueKind.Undefined)
        {
            return;
        }

        if (recorded.ValueKind == JsonValueKind.Object)
        {
            string expected = recorded.TryGetProperty("summary", out _)
                ? HelpText.Summary()
                : HelpText.For(CommandLine.Create(recorded.GetProperty("help").GetString()!, CliHost.ForProcess())!);
            Assert.Equal(expected, actual);
            return;
        }

        // Our JSON records repeat no key (trap B50).
        string wanted = Normalize(recorded.GetString()!)
            .Replace("\"version\":\"{version}\",\"level\":", "\"version\":\"{version}\",\"log_level\":", StringComparison.Ordinal);
        string got = Normalize(actual.Replace(sandbox.Root, "{dir}", StringComparison.Ordinal));
        if (!Regex.IsMatch(got, "^" + Pattern(wanted, sandbox) + "$", RegexOptions.Singleline))
        {
            Assert.Fail($"{stream} differs\n--- recorded\n{wanted}\n--- now\n{got}");
        }
    }

    private static string Pattern(string text, Sandbox sandbox)
    {
        string home = new PathExpander(CliHost.ForProcess().Configuration).Expand("~");
        string pattern = Regex.Escape(text.Replace("{home}", home, StringComparison.Ordinal)).Replace("\\{dir}", "\\{dir}", StringComparison.Ordinal);
        foreach ((string name, string form) in (ReadOnlySpan<(string, string)>)[
            ("time", "[0-9T:.Z+-]+"), ("clock", "[0-9:]{8}"), ("version", Regex.Escape(BuildInfo.Version)), ("duration", "[0-9.hmsµun]+"),
            ("ms", "[0-9]+"), ("seconds", "[0-9.]+"), ("pid", "[0-9]+")])
        {
            pattern = pattern.Replace($"\\{{{name}}}", form, StringComparison.Ordinal);
        }

        return pattern;
    }

    private static string Normalize(string text)
    {
        IEnumerable<string> lines = text.Split('\n').Where(line => !Background().IsMatch(line));
        text = Padding().Replace(string.Join('\n', lines), "  ");
        text = ListedSize().Replace(text, "$1{size}$2");
        text = JsonSize().Replace(text, "\"size\": {size}");
        text = LogSize().Replace(text, " size={size}");
        return WalSize().Replace(text, "$1{wal}");
    }

    [GeneratedRegex("level=(DEBUG|TRACE)|not yet supported in this version|database file does not exist yet|damaged ltx file, looking|\"level\":\"DEBUG\"|starting .* monitor|compaction complete|snapshot complete|no levels are configured|snapshot retention is shorter|^[0-9:{}clok]+ (DBG|TRC) ")]
    private static partial Regex Background();

    [GeneratedRegex(" {2,}")]
    private static partial Regex Padding();

    [GeneratedRegex(@"^(\d  (?:\S+  )?[0-9a-f]{16}  [0-9a-f]{16}  )\d+(  )", RegexOptions.Multiline)]
    private static partial Regex ListedSize();

    [GeneratedRegex("\"size\": [0-9]+")]
    private static partial Regex JsonSize();

    [GeneratedRegex(" size=[0-9]+")]
    private static partial Regex LogSize();

    [GeneratedRegex("((?:  [0-9a-f]{16}  )|(?:  -  )|(?:\"wal_size\": \"))[0-9.]+ k?B")]
    private static partial Regex WalSize();
}
