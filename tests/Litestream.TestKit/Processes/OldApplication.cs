namespace Litestream.TestKit.Processes;

/// <summary>
/// The workload program with an outdated SQLite in it: 3.40.0, which corrupts databases when checkpoints meet (replication §17),
/// made slow where it matters so that the bug strikes within seconds (§8.7 rule 5).
/// </summary>
public static class OldApplication
{
    /// <summary>Builds the library if need be and puts a copy of the program beside it.</summary>
    /// <param name="directory">Receives the copy.</param>
    /// <returns>The executable.</returns>
    public static async Task<string> PrepareAsync(string directory)
    {
        CliResult build = await Cli.RunProgramAsync(Path.Combine(Checkout.Root, "eng", "native", "build-slow-sqlite.sh"));
        CliResult copy = await Cli.RunProgramAsync("cp", "-a", Path.GetDirectoryName(Checkout.Workload)! + "/.", directory);
        if (build.ExitCode != 0 || copy.ExitCode != 0)
        {
            throw new InvalidOperationException(build.StandardOutput + build.StandardError + copy.StandardError);
        }

        string library = Directory.GetFiles(directory, "libe_sqlite3.so", SearchOption.AllDirectories)
            .Single(path => path.Contains("/linux-x64/", StringComparison.Ordinal));
        File.Copy(Path.Combine(Checkout.Root, "artifacts", "native", "slow", "libe_sqlite3.so"), library, overwrite: true);
        return Path.Combine(directory, Path.GetFileName(Checkout.Workload));
    }
}
