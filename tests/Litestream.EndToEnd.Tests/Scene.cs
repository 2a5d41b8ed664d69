using Litestream.TestKit;
using Litestream.TestKit.Databases;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>One machine: a database, its configuration, its replica. Kept under artifacts/failed when the test did not finish.</summary>
public sealed class Scene : IDisposable
{
    private readonly TempDirectory _directory = new();
    private bool _succeeded;
    private int _restores;

    /// <summary>Creates the folder and the configuration.</summary>
    /// <param name="databaseSettings">Additional lines of the database's entry, without indentation.</param>
    /// <param name="replicaSettings">Additional lines of the replica.</param>
    public Scene(IEnumerable<string>? databaseSettings = null, IEnumerable<string>? replicaSettings = null)
    {
        Assert.True(File.Exists(Checkout.Litestream), $"{Checkout.Litestream} is missing; run eng/publish.sh first");
        Directory.CreateDirectory(Replica);
        File.WriteAllLines(Configuration,
        [
            "dbs:",
            $"  - path: {Database}",
            .. (databaseSettings ?? []).Select(line => "    " + line),
            "    replica:",
            $"      path: {Replica}",
            .. (replicaSettings ?? []).Select(line => "      " + line),
        ]);
    }

    /// <summary>Folder of everything.</summary>
    public string Root => _directory.Root;

    /// <summary>The application's database.</summary>
    public string Database => _directory["app.db"];

    /// <summary>Root of the replica.</summary>
    public string Replica => _directory["replica"];

    /// <summary>Level 0 of the replica.</summary>
    public string LevelZero => Path.Combine(Replica, "ltx", "0");

    /// <summary>The configuration file.</summary>
    public string Configuration => _directory["litestream.yml"];

    /// <summary>The application's log of acknowledged commits.</summary>
    public string Acknowledged => _directory["acknowledged"];

    /// <summary>Absolute path of a name in the folder.</summary>
    public string this[string name] => _directory[name];

    /// <summary>Starts the daemon on the configuration.</summary>
    public DaemonProcess StartDaemon(params string[] flags) => DaemonProcess.Start(["-config", Configuration, .. flags]);

    /// <summary>Starts the daemon, waits for its final sync and demands success.</summary>
    public async Task ReplicateOnceAsync()
    {
        await using DaemonProcess daemon = StartDaemon("-once");
        int code = await daemon.WaitForExitAsync();
        Assert.True(code == 0, $"replicate -once: exit code {code}{Environment.NewLine}{daemon.Output}");
    }

    /// <summary>Restores the latest state and returns the path of the restored database.</summary>
    public async Task<string> RestoreAsync(params string[] flags)
    {
        string output = _directory[$"restored-{++_restores}.db"];
        CliResult result = await Cli.RunAsync(["restore", .. flags, "-o", output, "file://" + Replica]);
        Assert.True(result.ExitCode == 0, $"restore: exit code {result.ExitCode}{Environment.NewLine}{result.StandardOutput}{result.StandardError}");
        return output;
    }

    /// <summary>Restores, and demands that every page equals the source and every acknowledged transaction is there. Nobody may write.</summary>
    /// <param name="ackTable">Table with the numbers of the acknowledged transactions; null = there is no such log.</param>
    public async Task AssertRestoresAsync(string? ackTable = "ack")
    {
        string restored = await RestoreAsync();
        string? difference = PageDigest.Of(Database).Difference(PageDigest.OfFile(restored));
        Assert.True(difference is null, $"the restored database is not the source: {difference}");
        if (ackTable is not null)
        {
            string? missing = AckLog.Missing(restored, AckLog.Read(Acknowledged), ackTable);
            Assert.True(missing is null, missing);
        }

        foreach (string suffix in (string[])["", "-wal", "-shm"])
        {
            File.Delete(restored + suffix);
        }
    }

    /// <summary>
    /// Demands that a database that followed the replica is byte for byte what a restore gives, but for what a follower has to set:
    /// journal mode, change counter, and the library version at the last change. Nobody may write or follow.
    /// </summary>
    public async Task AssertFollowedAsync(string followed)
    {
        string restored = await RestoreAsync();
        byte[] expected = Masked(restored);
        byte[] actual = Masked(followed);
        Assert.Equal(expected.Length, actual.Length);
        Assert.True(expected.AsSpan().SequenceEqual(actual), $"{followed} is not {restored}: first difference at byte {expected.AsSpan().CommonPrefixLength(actual)}");
        Assert.False(File.Exists(followed + "-journal") || File.Exists(followed + "-wal"), "side files are left");
        File.Delete(restored);

        static byte[] Masked(string path)
        {
            byte[] bytes = File.ReadAllBytes(path);
            bytes.AsSpan(18, 2).Clear();
            bytes.AsSpan(24, 4).Clear();
            bytes.AsSpan(92, 8).Clear();
            return bytes;
        }
    }

    /// <summary>Greatest transaction in level 0 of the replica, as 16 hex digits.</summary>
    public string? NewestTxid() => Directory.GetFiles(LevelZero, "*.ltx").Select(path => Path.GetFileNameWithoutExtension(path)[^16..]).Max(StringComparer.Ordinal);

    /// <summary>L0 files in the replica.</summary>
    public int CountLevelZero() => Directory.Exists(LevelZero) ? Directory.GetFiles(LevelZero, "*.ltx").Length : 0;

    /// <summary>Demands that the application's log says something: an empty one would make every comparison with it pass.</summary>
    public void AssertApplicationCommitted() => Assert.Contains(AckLog.Read(Acknowledged), writer => writer.Value > 0);

    /// <summary>Marks the scene as no longer needed for an inquiry.</summary>
    public void Succeeded() => _succeeded = true;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_succeeded)
        {
            string kept = Path.Combine(Checkout.Root, "artifacts", "failed", Path.GetFileName(Root));
            Directory.CreateDirectory(Path.GetDirectoryName(kept)!);
            System.Diagnostics.Process.Start("cp", ["-a", Root, kept]).WaitForExit();
        }

        _directory.Dispose();
    }
}
