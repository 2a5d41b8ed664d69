using System.Security.Cryptography;
using Litestream.TestKit;
using Litestream.TestKit.Databases;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>A copy of a fixture's state directory, ready for a daemon of ours.</summary>
internal sealed class TakenOver : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly string _name;
    private readonly bool _sameBytes;

    internal TakenOver(string name)
    {
        Assert.True(File.Exists(Checkout.Litestream), $"{Checkout.Litestream} is missing; run eng/publish.sh first");
        _name = name;
        Fixtures.Copy("v0.5", $"{name}/state", _directory.Root);
        foreach (string entry in Directory.GetFileSystemEntries(_directory.Root, "*", AllEntries))
        {
            // The fixtures are read-only; an application's files are not.
            File.SetUnixFileMode(entry, File.GetUnixFileMode(entry) | UnixFileMode.UserWrite);
        }

        // A database in rollback mode is switched to WAL, which changes its first page; everywhere else we write nothing.
        using FileStream file = File.OpenRead(Database);
        file.Position = 18;
        _sameBytes = file.ReadByte() == 2;
    }

    internal string Database => _directory["app.db"];

    internal string Replica => _directory["replica"];

    private static EnumerationOptions AllEntries => new() { RecurseSubdirectories = true, AttributesToSkip = 0 };

    public void Dispose() => _directory.Dispose();

    /// <summary>Starts the daemon, stops it in an orderly way and returns its log.</summary>
    internal async Task<string> RunDaemonAsync()
    {
        string configuration = _directory["litestream.yml"];

        // The fixtures are older than any retention: in a run that meets the end of a window the daemon would rightly delete them.
        File.WriteAllLines(configuration, ["retention:", "  enabled: false", "dbs:", $"  - path: {Database}", "    replica:", $"      path: {Replica}"]);
        await using DaemonProcess daemon = DaemonProcess.Start("-config", configuration, "-log-level", "debug");
        await daemon.WaitForLineAsync(line => line.Contains("replicating to", StringComparison.Ordinal));
        int code = await daemon.StopAsync();
        Assert.True(code == 0, $"exit code {code}{Environment.NewLine}{daemon.Output}");
        return daemon.Output;
    }

    internal async Task<string> RestoreAsync()
    {
        string output = _directory[$"restored-{Guid.NewGuid():N}.db"];
        await Cli.RunOkAsync("restore", "-o", output, "file://" + Replica);
        return output;
    }

    internal async Task AssertSourceIsRestoredAsync()
    {
        string restored = await RestoreAsync();
        Assert.Null(PageDigest.Of(Database).Difference(PageDigest.OfFile(restored)));
        IReadOnlyDictionary<string, string> point = Fixtures.ReadTable("v0.5/sources.tsv").Single(row => row["case"] == _name && row["point"] == "state");
        if (_sameBytes)
        {
            Assert.Equal(point["sha256_db"], Hash(File.ReadAllBytes(restored)));
        }

        CliResult dump = await Cli.RunProgramAsync("sqlite3", restored, ".dump");
        Assert.Equal(point["sha256_dump"], Hash(System.Text.Encoding.UTF8.GetBytes(dump.StandardOutput)));
    }

    /// <summary>Every file of the replica with its hash.</summary>
    internal Dictionary<string, string> ReplicaFiles() => Directory.GetFiles(Replica, "*", AllEntries)
        .ToDictionary(path => Path.GetRelativePath(Replica, path), path => Hash(File.ReadAllBytes(path)));

    internal List<LtxFile> AddedLevelZero(Dictionary<string, string> before) =>
        [.. ReplicaFiles().Keys.Where(path => path.StartsWith("ltx/0/", StringComparison.Ordinal) && !before.ContainsKey(path)).Order(StringComparer.Ordinal)
            .Select(path => LtxFile.ReadAsync(Path.Combine(Replica, path)).GetAwaiter().GetResult())];

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
