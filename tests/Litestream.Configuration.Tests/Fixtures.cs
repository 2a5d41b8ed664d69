using System.Text.Json;

namespace Litestream.Configuration.Tests;

/// <summary>Recorded runs of the released program, found by walking up from the test binary.</summary>
internal static class Fixtures
{
    public static bool Exist => File.Exists(PathOf("targets"));

    public static IEnumerable<JsonElement> Records(string family) =>
        JsonDocument.Parse(File.ReadAllText(PathOf(family))).RootElement.EnumerateArray();

    private static string PathOf(string family)
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Litestream.slnx")))
        {
            directory = directory.Parent;
        }

        return Path.Combine(directory!.Parent!.FullName, "shared", "fixtures", "cli", family + ".json");
    }
}
