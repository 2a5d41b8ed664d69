using System.Text.Json;

namespace Litestream.Ltx.Tests;

/// <summary>The LTX fixture files and their manifest.</summary>
internal static class Fixtures
{
    private static readonly string Location = Find();

    private static readonly Lazy<JsonElement> LoadedManifest = new(LoadManifest);

    /// <summary>Where the files are missing, the test that asks for them is skipped with that reason.</summary>
    internal static string Directory
    {
        get
        {
            Assert.SkipUnless(System.IO.Directory.Exists(Location), "there are no LTX fixtures beside this checkout (../shared/fixtures)");
            return Location;
        }
    }

    internal static JsonElement Manifest => LoadedManifest.Value;

    internal static IEnumerable<JsonElement> Files => Manifest.GetProperty("files").EnumerateArray();

    /// <summary>The files that must be accepted or rejected; one name that is no file where the fixtures are missing.</summary>
    internal static TheoryData<string> Names(string must) => System.IO.Directory.Exists(Location)
        ? [.. Files.Where(file => file.GetProperty("must").GetString() == must).Select(file => file.GetProperty("file").GetString()!)]
        : ["all"];

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
