namespace Litestream.Scenarios;

/// <summary>Where the scenarios keep their files, all below artifacts/ of the checkout.</summary>
internal static class Folders
{
    public static string Root { get; } = FindRoot();

    /// <summary>Built once and kept: large databases and their replicas.</summary>
    public static string Data => Directory.CreateDirectory(Path.Combine(Root, "artifacts", "bench-data")).FullName;

    public static string Probe => Path.Combine(Directory.CreateDirectory(Path.Combine(Root, "artifacts", "bench")).FullName, "probe");

    /// <summary>A new empty folder for one run.</summary>
    public static string NewRun(string name, string? below = null)
    {
        string path = Path.Combine(below ?? Path.Combine(Root, "artifacts", "bench"), name);
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }

        return Directory.CreateDirectory(path).FullName;
    }

    public static long SizeOf(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Litestream.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("No folder above the program holds Litestream.slnx.");
    }
}
