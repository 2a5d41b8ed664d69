using System.Diagnostics;
using System.Text.Json;
using Litestream.TestKit;
using Litestream.TestKit.Databases;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.EndToEnd.Tests.Backends;

/// <summary>One machine whose database is replicated to a place in a real store. Its folder is kept under artifacts/failed when the test did not finish.</summary>
public sealed class BackendScene : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly List<string> _outputs = [];
    private bool _succeeded;
    private int _restores;

    /// <summary>Creates the folder and the configuration.</summary>
    /// <param name="store">The store.</param>
    /// <param name="place">Keys of the replica mapping.</param>
    /// <param name="settings">Lines of the top level.</param>
    public BackendScene(TestStore store, IReadOnlyDictionary<string, string> place, IEnumerable<string>? settings = null)
    {
        Assert.True(File.Exists(Checkout.Litestream), $"{Checkout.Litestream} is missing; run eng/publish.sh first");
        Place = place;
        Environment = store.Environment;
        WriteConfiguration(Configuration, null, settings ?? []);
    }

    /// <summary>Keys of the replica mapping.</summary>
    public IReadOnlyDictionary<string, string> Place { get; }

    /// <summary>Variables for every command.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; set; }

    /// <summary>The application's database.</summary>
    public string Database => _directory["app.db"];

    /// <summary>The configuration file.</summary>
    public string Configuration => _directory["litestream.yml"];

    /// <summary>The application's log of acknowledged commits.</summary>
    public string Acknowledged => _directory["acknowledged"];

    /// <summary>Everything that commands have printed.</summary>
    public IReadOnlyList<string> Outputs => _outputs;

    /// <summary>Absolute path of a name in the folder.</summary>
    public string this[string name] => _directory[name];

    /// <summary>Writes a configuration for the same database and place.</summary>
    /// <param name="path">The file.</param>
    /// <param name="stateDirectory">Another state directory; null = the usual one.</param>
    /// <param name="settings">Lines of the top level.</param>
    public void WriteConfiguration(string path, string? stateDirectory, IEnumerable<string> settings) => File.WriteAllLines(path,
    [
        .. settings,
        "dbs:",
        $"  - path: {Database}",
        .. stateDirectory is null ? (string[])[] : [$"    meta-path: {stateDirectory}"],
        "    replica:",
        "      sync-interval: 100ms",
        .. Place.Select(pair => $"      {pair.Key}: '{pair.Value}'"),
    ]);

    /// <summary>Starts the daemon.</summary>
    public DaemonProcess StartDaemon(string? configuration = null, params string[] flags) =>
        DaemonProcess.Start(Environment, ["-config", configuration ?? Configuration, .. flags]);

    /// <summary>Runs a command with the variables of the store.</summary>
    public async Task<CliResult> RunAsync(params string[] arguments)
    {
        await using var process = new ChildProcess(Checkout.Litestream, arguments, Environment);
        int code = await process.WaitForExitAsync();
        _outputs.Add(process.Output);
        return new CliResult(code, process.Output, "");
    }

    /// <summary>Runs a command and demands success.</summary>
    public async Task<string> RunOkAsync(params string[] arguments)
    {
        CliResult result = await RunAsync(arguments);
        Assert.True(result.ExitCode == 0, $"litestream {string.Join(' ', arguments)}: exit code {result.ExitCode}{System.Environment.NewLine}{result.StandardOutput}");
        return result.StandardOutput;
    }

    /// <summary>Runs statements as an ordinary application does: a process with a SQLite of its own.</summary>
    public async Task<string> SqlAsync(string sql, string? database = null)
    {
        CliResult result = await Cli.RunProgramAsync("sqlite3", "-batch", "-cmd", ".timeout 10000", database ?? Database, sql);
        Assert.True(result.ExitCode == 0, result.StandardError);
        return result.StandardOutput.Trim();
    }

    /// <summary>Restores from the configured replica and returns the path of the restored database.</summary>
    public async Task<string> RestoreAsync(params string[] flags)
    {
        string output = _directory[$"restored-{++_restores}.db"];
        await RunOkAsync(["restore", "-config", Configuration, "-o", output, .. flags, Database]);
        return output;
    }

    /// <summary>Greatest transaction of the replica, as <c>ltx</c> says.</summary>
    public async Task<string> NewestTxidAsync()
    {
        using JsonDocument files = JsonDocument.Parse(await RunOkAsync("ltx", "-config", Configuration, "-json", "-level", "all", Database));
        return files.RootElement.EnumerateArray().Select(file => file.GetProperty("max_txid").GetString()!).Max(StringComparer.Ordinal)!;
    }

    /// <summary>Waits until the daemon has put a file into the store.</summary>
    public async Task WaitForFileAsync()
    {
        long began = Stopwatch.GetTimestamp();
        while (!(await RunAsync("ltx", "-config", Configuration, "-json", Database)).StandardOutput.Contains("min_txid", StringComparison.Ordinal))
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < ChildProcess.Patience, "nothing comes to the store");
            await Task.Delay(100);
        }
    }

    /// <summary>Demands that a restore of the latest state equals the source page by page. Nobody may write.</summary>
    public async Task AssertRestoresAsync()
    {
        string restored = await RestoreAsync();
        string? difference = PageDigest.Of(Database).Difference(PageDigest.OfFile(restored));
        Assert.True(difference is null, $"the restored database is not the source: {difference}");
    }

    /// <summary>Marks the scene as no longer needed for an inquiry.</summary>
    public void Succeeded() => _succeeded = true;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_succeeded)
        {
            string kept = Path.Combine(Checkout.Root, "artifacts", "failed", Path.GetFileName(_directory.Root));
            Directory.CreateDirectory(Path.GetDirectoryName(kept)!);
            Process.Start("cp", ["-a", _directory.Root, kept]).WaitForExit();
        }

        _directory.Dispose();
    }
}
