using System.Text.Json;

namespace Litestream.Ltx.Tests;

/// <summary>The LTX fixture files and their manifest.</summary>
internal static class Fixtures
{
    internal static string Directory { get; } = Find();

    internal static JsonElement Manifest { get; } = LoadManifest();

    internal static IEnumerable<JsonElement> Files => Manifest.GetProperty("files").EnumerateArray();

    internal static byte[] Read(string file) => File.ReadAllBytes(Path.Combine(Directory, file));

    private static string Find()
    {
        for (string? at = AppContext.BaseDirectory; at is not null; at = Path.GetDirectoryName(at))
        {
            if (File.Exists(Path.Combine(at, "Litestream.slnx")))
            {
                return Path.GetFullPath(Path.Combine(at, "..", "shared", "fixtures", "ltx"));
            }
        }

        throw new DirectoryNotFoundException("Litestream.slnx is in no directory above the tests.");
    }

    private static JsonElement LoadManifest()
    {
        using JsonDocument document = JsonDocument.Parse(Read("manifest.json"));
        return document.RootElement.Clone();
    }
}
