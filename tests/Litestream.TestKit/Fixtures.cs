using System.Globalization;
using System.IO.Compression;

namespace Litestream.TestKit;

/// <summary>Golden replicas and recordings made by released programs; they lie beside the checkout and are never changed.</summary>
public static class Fixtures
{
    private static readonly string Location = Find();

    /// <summary>False in a checkout that has no <c>../shared/fixtures</c> beside it.</summary>
    public static bool Exist => Directory.Exists(Location);

    /// <summary>Absolute path of the folder with all fixtures. Where it is missing, the test that asks is skipped with that reason.</summary>
    public static string Root => Exist
        ? Location
        : throw new InvalidOperationException("$XunitDynamicSkip$there are no fixtures of released programs beside this checkout (../shared/fixtures)");

    /// <summary>Absolute path of a fixture.</summary>
    public static string PathOf(string name) => Path.Combine(Root, name);

    /// <summary>The rows of a tab-separated file, by column name.</summary>
    public static IReadOnlyList<IReadOnlyDictionary<string, string>> ReadTable(string name)
    {
        string[] lines = File.ReadAllLines(PathOf(name));
        string[] columns = lines[0].Split('\t');
        return [.. lines.Skip(1).Where(line => line.Length > 0).Select(line => (IReadOnlyDictionary<string, string>)columns
            .Zip(line.Split('\t'))
            .ToDictionary(pair => pair.First, pair => pair.Second))];
    }

    /// <summary>
    /// Copies a folder of a collection, unpacks what is stored packed, and sets the modification times of the manifest: in a directory
    /// replica they are data, and a checkout does not keep them.
    /// </summary>
    /// <param name="collection">Folder with a <c>manifest.tsv</c>: <c>v0.5</c> or <c>v0.3</c>.</param>
    /// <param name="folder">Folder below it.</param>
    /// <param name="destination">Created if missing.</param>
    public static void Copy(string collection, string folder, string destination)
    {
        string source = Path.Combine(Root, collection, folder);
        Directory.CreateDirectory(destination);
        foreach (string directory in Directory.GetDirectories(source, "*", AllEntries))
        {
            Directory.CreateDirectory(Path.Combine(destination, Path.GetRelativePath(source, directory)));
        }

        Dictionary<string, DateTime> times = Times(collection);
        foreach (string file in Directory.GetFiles(source, "*", AllEntries))
        {
            string relative = Path.GetRelativePath(source, file);
            string target = Path.Combine(destination, relative);
            if (relative.EndsWith(".gz", StringComparison.Ordinal))
            {
                target = target[..^3];
                using var packed = new GZipStream(File.OpenRead(file), CompressionMode.Decompress);
                using FileStream output = File.Create(target);
                packed.CopyTo(output);
            }
            else
            {
                File.Copy(file, target, overwrite: true);
            }

            if (times.TryGetValue($"{folder}/{relative}", out DateTime time))
            {
                File.SetLastWriteTimeUtc(target, time);
            }
        }
    }

    private static EnumerationOptions AllEntries => new() { RecurseSubdirectories = true, AttributesToSkip = 0 };

    private static Dictionary<string, DateTime> Times(string collection) =>
        ReadTable($"{collection}/manifest.tsv").ToDictionary(
            row => row["path"],
            row => DateTimeOffset.Parse(row["mtime_utc"], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal).UtcDateTime);

    private static string Find()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Litestream.slnx")))
            {
                return Path.GetFullPath(Path.Combine(folder, "..", "shared", "fixtures"));
            }
        }

        throw new InvalidOperationException("the test must run from inside a checkout");
    }
}
