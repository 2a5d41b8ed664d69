namespace Litestream.Scenarios;

/// <summary>Many small WAL databases below one directory, a hundred in each subdirectory, and a configuration that replicates them.</summary>
internal sealed class FleetFolder
{
    private const int PerDirectory = 100;

    private FleetFolder(string root) => Root = root;

    public string Root { get; }

    public string Databases => Path.Combine(Root, "db");

    public string Replicas => Path.Combine(Root, "replica");

    public string Configuration => Path.Combine(Root, "litestream.yml");

    /// <summary>Path of one database below <see cref="Databases"/>.</summary>
    public static string Relative(int number) => $"{number / PerDirectory:d3}/{number:d5}.db";

    /// <summary>Takes what is there, or creates it: one database is written by SQLite, the others are copies of its file.</summary>
    public static async Task<FleetFolder> CreateAsync(string root, int count, Probe probe)
    {
        var fleet = new FleetFolder(root);
        Directory.CreateDirectory(fleet.Databases);
        string first = Path.Combine(root, "first.db");
        await probe.RunAsync("create", first, "10");
        for (int i = 0; i < count; i++)
        {
            string path = Path.Combine(fleet.Databases, Relative(i));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.Copy(first, path);
        }

        File.Delete(first);
        fleet.Configure();
        return fleet;
    }

    /// <summary>A fleet that was created before.</summary>
    public static FleetFolder At(string root)
    {
        var fleet = new FleetFolder(root);
        fleet.Configure();
        return fleet;
    }

    /// <summary>Starts the daemon on all of it and waits until every database is open.</summary>
    public Task<Daemon> StartAsync(string executable) => Daemon.StartAsync(
        executable, ["replicate", "-config", Configuration], daemon => daemon.LogLines("databases opened") > 0, TimeSpan.FromMinutes(10));

    private void Configure() => File.WriteAllText(
        Configuration,
        $"""
        dbs:
          - dir: {Databases}
            pattern: "*.db"
            recursive: true
            watch: true
            replica:
              type: file
              path: {Replicas}

        """);
}
