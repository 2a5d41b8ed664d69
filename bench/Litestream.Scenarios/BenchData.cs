namespace Litestream.Scenarios;

/// <summary>Large inputs that are built once per size and kept in artifacts/bench-data.</summary>
internal static class BenchData
{
    private const int Increments = 200;
    private const int RowsPerIncrement = 40;

    /// <summary>A database of word text, without a WAL.</summary>
    public static async Task<string> DatabaseAsync(ScenarioRun run)
    {
        string path = Path.Combine(Folders.Data, $"words-{run.Options.Size}.db");
        if (!File.Exists(path))
        {
            string building = path + ".building";
            DeleteDatabase(building);
            await run.Probe.RunAsync("build", building, Probe.Text(run.Options.Size));
            File.Move(building, path);
        }

        return path;
    }

    /// <summary>A directory replica of that database: a full copy and 200 files of one transaction each.</summary>
    public static async Task<string> ReplicaAsync(ScenarioRun run)
    {
        string path = Path.Combine(Folders.Data, $"replica-{run.Options.Size}");
        if (Directory.Exists(path))
        {
            return path;
        }

        string source = await DatabaseAsync(run);
        ScenarioRun build = run with { Executable = run.Options.Executables[0].Path, Folder = Folders.NewRun("building") };
        File.Copy(source, build.Database);
        await using (Daemon daemon = await Daemon.StartAsync(build))
        {
            // One file per upload, one upload per sync-interval of a second: a little slower than that, every commit is a file.
            await run.Probe.RunAsync("touch", build.Database, Probe.Text(Increments), Probe.Text(RowsPerIncrement), "1050000000");
            await daemon.StopAsync();
        }

        Directory.Move(build.Replica, path);
        Directory.Delete(build.Folder, recursive: true);
        return path;
    }

    private static void DeleteDatabase(string path)
    {
        foreach (string suffix in (string[])["", "-wal", "-shm"])
        {
            File.Delete(path + suffix);
        }
    }
}
