using System.Text.Json;

namespace Litestream.Cli.Tests.Replay;

/// <summary>One recorded run of the released program (fixtures/cli).</summary>
internal sealed class RecordedRun
{
    public required string Family { get; init; }

    public required string Name { get; init; }

    public required string[] Args { get; init; }

    public string? Config { get; init; }

    public required Dictionary<string, string> Environment { get; init; }

    public required JsonElement[] Setup { get; init; }

    public required JsonElement[] Act { get; init; }

    public int? ExitCode { get; init; }

    public int? KilledBySignal { get; init; }

    public JsonElement Output { get; init; }

    public JsonElement Error { get; init; }

    public string[]? Files { get; init; }

    public JsonElement? Rows { get; init; }

    public string? Defect { get; init; }

    /// <summary>Whether it needs a process of its own: something happens while it runs, or a child writes to its streams.</summary>
    public bool NeedsProcess => Act.Length > 0 || Args.Contains("-exec") || (Config?.Contains("exec:", StringComparison.Ordinal) ?? false);

    /// <summary>All records of a family.</summary>
    public static IEnumerable<RecordedRun> Load(string family)
    {
        if (!File.Exists(FixturePath(family)))
        {
            // A clone by itself has no recordings beside it.
            yield break;
        }

        foreach (JsonElement record in Document(family).EnumerateArray())
        {
            yield return new RecordedRun
            {
                Family = family,
                Name = record.GetProperty("name").GetString()!,
                Args = [.. record.GetProperty("args").EnumerateArray().Select(a => a.GetString()!)],
                Config = Optional(record, "config")?.GetString(),
                Environment = Optional(record, "env")?.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString()!) ?? [],
                Setup = [.. Optional(record, "setup")?.EnumerateArray() ?? []],
                Act = [.. Optional(record, "act")?.EnumerateArray() ?? []],
                ExitCode = Optional(record, "exitCode") is { ValueKind: JsonValueKind.Number } code ? code.GetInt32() : null,
                KilledBySignal = Optional(record, "killedBySignal")?.GetInt32(),
                Output = Optional(record, "stdout") ?? default,
                Error = Optional(record, "stderr") ?? default,
                Files = Optional(record, "files")?.EnumerateArray().Select(f => f.GetString()!).ToArray(),
                Rows = Optional(record, "rows"),
                Defect = Optional(record, "defect")?.GetString(),
            };
        }
    }

    /// <summary>Whether the recordings are there.</summary>
    public static bool Exist => File.Exists(FixturePath("usage"));

    /// <summary>A fixture file as it is.</summary>
    public static JsonElement Document(string family) => JsonDocument.Parse(File.ReadAllText(FixturePath(family))).RootElement;

    private static string FixturePath(string family)
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Litestream.slnx")))
        {
            directory = directory.Parent;
        }

        return Path.Combine(directory!.Parent!.FullName, "shared", "fixtures", "cli", family + ".json");
    }

    private static JsonElement? Optional(JsonElement record, string name) =>
        record.TryGetProperty(name, out JsonElement value) ? value : null;
}
