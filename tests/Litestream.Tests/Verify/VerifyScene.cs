using System.Security.Cryptography;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Files;
using Litestream.Verify;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Verify;

/// <summary>A golden replica in a folder of its own, and the state directory of its database.</summary>
internal sealed class VerifyScene : IDisposable
{
    private readonly TempDirectory temp = new();

    private VerifyScene(string folder)
    {
        Fixtures.Copy("v0.5", folder, Replica);
        Directory.CreateDirectory(Options.StateDirectory);
        Time = new FakeTimeProvider(AllFiles.Max(file => File.GetLastWriteTimeUtc(file)).AddMinutes(1));
    }

    public static VerifyScene Of(string folder) => new(folder);

    public string Replica => temp["replica"];

    public IFileSystem Files { get; } = new UnsyncedFileSystem(LocalFileSystem.Instance);

    public FakeTimeProvider Time { get; }

    public DatabaseOptions Options => new() { Path = temp["app.db"], L0Retention = TimeSpan.FromHours(1), SnapshotRetention = TimeSpan.FromHours(1) };

    public string[] AllFiles => [.. Directory.GetFiles(Path.Combine(Replica, "ltx"), "*.ltx", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    public FileReplicaClient Client => new(Files, Replica);

    public string this[string name] => temp[name];

    /// <summary>Verifies as a URL: nothing but the replica is known.</summary>
    public Task<VerifyReport> VerifyAsync() => VerifyAsync(new VerifyOptions());

    /// <summary>Verifies as a configured database.</summary>
    public Task<VerifyReport> VerifyWithStateAsync(int share = 1) => VerifyAsync(new VerifyOptions { Database = Options, Share = share });

    public Task<VerifyReport> VerifyAsync(VerifyOptions options) =>
        new ReplicaVerifier(Client, new EngineServices(Files, Time, NullLoggerFactory.Instance), NullLogger.Instance).VerifyAsync(options, null, CancellationToken.None);

    /// <summary>Restores a transaction.</summary>
    /// <returns>SHA-256 of the database; null if the restore failed.</returns>
    public async Task<string?> RestoreAsync(Txid txid)
    {
        string output = temp["restored.db"];
        try
        {
            await new Restorer(Client, Files, TimeProvider.System, NullLogger.Instance).RestoreAsync(
                new RestoreOptions { OutputPath = output, TargetTxid = txid }, null, CancellationToken.None);
            using FileStream stream = File.OpenRead(output);
            return Convert.ToHexStringLower(SHA256.HashData(stream));
        }
        catch (Exception e) when (e is RestoreUnavailableException or RestoreGapException or IOException)
        {
            Assert.False(File.Exists(output), "a failed restore left a file");
            return null;
        }
        finally
        {
            File.Delete(output);
        }
    }

    public void Dispose() => temp.Dispose();
}
