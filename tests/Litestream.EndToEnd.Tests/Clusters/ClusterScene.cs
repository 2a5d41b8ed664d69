using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Litestream.TestKit;
using Litestream.TestKit.Databases;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.EndToEnd.Tests.Clusters;

/// <summary>A database that is replicated to a cluster. Its folder is kept under artifacts/failed when the test did not finish.</summary>
internal sealed class ClusterScene : IDisposable
{
    private readonly TempDirectory _directory = new();
    private bool _succeeded;

    public ClusterScene(IStoreCluster cluster)
    {
        Assert.True(File.Exists(Checkout.Litestream), $"{Checkout.Litestream} is missing; run eng/publish.sh first");
        File.WriteAllLines(Configuration,
        [
            "dbs:",
            $"  - path: {Database}",
            "    replica:",
            "      sync-interval: 200ms",
            .. cluster.Place.Select(pair => $"      {pair.Key}: '{pair.Value}'"),
        ]);
    }

    public string Database => _directory["app.db"];

    public string Acknowledged => _directory["acknowledged"];

    /// <summary>Longest listing by a reader.</summary>
    public TimeSpan LongestRead { get; private set; }

    private string Configuration => _directory["litestream.yml"];

    public DaemonProcess StartDaemon() => DaemonProcess.Start("-config", Configuration);

    /// <summary>Waits until the replica has grown by some transactions, as a reader sees it, and the daemon lives.</summary>
    public async Task ProgressAsync(DaemonProcess daemon, int transactions)
    {
        ulong? wanted = null;
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            ulong newest = await NewestAsync();
            wanted ??= newest + (ulong)transactions;
            Assert.False(daemon.HasExited, $"the daemon has ended{Environment.NewLine}{daemon.Output}");
            if (newest >= wanted)
            {
                return;
            }

            Assert.True(Stopwatch.GetElapsedTime(began) < ChildProcess.Patience, $"no progress behind {newest}{Environment.NewLine}{daemon.Output}");
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Restores, and demands that every page equals the source and every acknowledged transaction is there. Nobody may write.</summary>
    public async Task<int> AssertRestoresAsync()
    {
        string restored = _directory["restored.db"];
        await Cli.RunOkAsync("restore", "-config", Configuration, "-o", restored, Database);
        PageDigest source = PageDigest.Of(Database);
        string? difference = source.Difference(PageDigest.OfFile(restored));
        Assert.True(difference is null, $"the restored database is not the source: {difference}");
        string? missing = AckLog.Missing(restored, AckLog.Read(Acknowledged));
        Assert.True(missing is null, missing);
        return source.PageCount;
    }

    public void Succeeded() => _succeeded = true;

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

    /// <summary>Greatest transaction in level 0; 0 = none.</summary>
    private async Task<ulong> NewestAsync()
    {
        long began = Stopwatch.GetTimestamp();
        using JsonDocument files = JsonDocument.Parse((await Cli.RunOkAsync("ltx", "-config", Configuration, "-json", Database)).StandardOutput);
        TimeSpan took = Stopwatch.GetElapsedTime(began);
        LongestRead = took > LongestRead ? took : LongestRead;
        return files.RootElement.EnumerateArray()
            .Select(file => ulong.Parse(file.GetProperty("max_txid").GetString()!, NumberStyles.HexNumber, CultureInfo.InvariantCulture))
            .DefaultIfEmpty().Max();
    }
}
