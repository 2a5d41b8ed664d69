using System.Diagnostics;
using System.Globalization;
using Litestream.TestKit;
using Litestream.TestKit.Databases;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.EndToEnd.Tests.Faults;

/// <summary>
/// The published daemon on a store whose answers get lost, cut, delayed and refused in every way that the fault proxy knows: it stays up, and
/// afterwards each database is what a restore gives, also one that meets the same faults. What single requests do under the same faults is tested at the client, with more hits.
/// <c>FAULT_SECONDS=600</c> for a long run.
/// </summary>
public sealed class FaultedDaemonTests
{
    private const int Databases = 4;
    private const int RestoresUnderFaults = 5;
    private const string AccessKey = "testaccess";
    private const string SecretKey = "testsecret0123456789";

    private static readonly int Seconds = Environment.GetEnvironmentVariable("FAULT_SECONDS") is { Length: > 0 } text
        ? int.Parse(text, CultureInfo.InvariantCulture)
        : 30;

    private static readonly Dictionary<string, string> Keys = new() { ["AWS_ACCESS_KEY_ID"] = AccessKey, ["AWS_SECRET_ACCESS_KEY"] = SecretKey };

    [Fact]
    public async Task Every_database_restores_to_its_source_whatever_the_store_did()
    {
        Assert.True(File.Exists(Checkout.Litestream), $"{Checkout.Litestream} is missing; run eng/publish.sh first");
        await using StorageServer server = await StorageServer.StartAsync("s3", 13);
        await using FaultProxy proxy = FaultProxy.Start(server.Port, new FaultProxyOptions
        {
            Rates = FaultProxyOptions.Every(0.008),
            StallTime = TimeSpan.FromSeconds(2),
        });
        proxy.IsOn = false;
        using var folder = new TempDirectory();
        string[] names = [.. Enumerable.Range(0, Databases).Select(n => $"app{n}")];
        await WaitForBucketAsync(server);
        await File.WriteAllTextAsync(folder["litestream.yml"], Configuration(folder, proxy.Port, names));
        await using (DaemonProcess daemon = DaemonProcess.Start(Keys, "-config", folder["litestream.yml"]))
        {
            await daemon.WaitForLineAsync(line => line.Contains("replicating to", StringComparison.Ordinal));
            proxy.IsOn = true;
            await Task.WhenAll(names.Select((name, number) => WriteAsync(folder[name + ".db"], folder[name + ".ack"], number)));
            Assert.False(daemon.HasExited, $"the daemon ended:{Environment.NewLine}{daemon.Output}");
            proxy.IsOn = false;
            int code = await daemon.StopAsync();
            Assert.True(code == 0, $"exit code {code}{Environment.NewLine}{daemon.Output}");
            Assert.DoesNotContain("second writer", daemon.Output, StringComparison.Ordinal);
        }

        Assert.True(proxy.Hits.Values.Sum() > Seconds, $"hardly any fault was injected: {string.Join(", ", proxy.Hits)}");
        foreach (string name in names)
        {
            string restored = folder[name + ".restored.db"];
            CliResult result = await RunAsync("restore", "-o", restored, $"s3://test/{name}?endpoint=http://127.0.0.1:{server.Port}");
            Assert.True(result.ExitCode == 0, $"restore of {name}: {result.StandardOutput}{result.StandardError}");
            string? difference = PageDigest.Of(folder[name + ".db"]).Difference(PageDigest.OfFile(restored));
            Assert.True(difference is null, $"{name}: the restored database is not the source: {difference}");
            Assert.Null(AckLog.Missing(restored, AckLog.Read(folder[name + ".ack"]), "ack"));
            File.Delete(restored);
        }

        proxy.IsOn = true;
        await Task.WhenAll(names.Select(name => RestoreUnderFaultsAsync(folder, name)));
        TestContext.Current.TestOutputHelper?.WriteLine($"hits: {string.Join(", ", proxy.Hits)}");
    }

    /// <summary>A restore from a store that fails gives the right database, or none and an exit code.</summary>
    private static async Task RestoreUnderFaultsAsync(TempDirectory folder, string name)
    {
        PageDigest expected = PageDigest.Of(folder[name + ".db"]);
        int succeeded = 0;
        string lastFailure = "";
        for (int attempt = 0; attempt < RestoresUnderFaults; attempt++)
        {
            string restored = folder[$"{name}.faulted{attempt}.db"];
            CliResult result = await RunAsync(
                "restore", "-config", folder["litestream.yml"], "-o", restored, folder[name + ".db"]);
            if (result.ExitCode != 0)
            {
                Assert.False(File.Exists(restored), $"a failed restore left a database: {result.StandardError}");
                lastFailure = result.StandardOutput + result.StandardError;
                continue;
            }

            succeeded++;
            string? difference = expected.Difference(PageDigest.OfFile(restored));
            Assert.True(difference is null, $"{name}: restored under faults, and not the source: {difference}");
        }

        Assert.True(succeeded > 0, $"{name}: none of {RestoresUnderFaults} restores under faults succeeded; the last one: {lastFailure}");
    }

    private static async Task WriteAsync(string database, string acknowledged, int number)
    {
        await using WorkloadProcess writer = await WorkloadProcess.StartAsync(
            "random", "--db", database, "--ack-log", acknowledged, "--seed", $"{number + 1}", "--rate", "20", "--seconds", $"{Seconds}");
        Assert.True(await writer.WaitForExitAsync() == 0, writer.Output);
        Assert.Contains(AckLog.Read(acknowledged), w => w.Value > 0);
    }

    private static string Configuration(TempDirectory folder, int port, string[] names) =>
        "connect-timeout: 1s\nidle-timeout: 1s\nlevels:\n  - interval: 5s\n  - interval: 30s\nl0-retention: 10s\ndbs:\n" + string.Concat(names.Select(name =>
            $"  - path: {folder[name + ".db"]}\n    replica:\n      url: s3://test/{name}?endpoint=http://127.0.0.1:{port}\n      sync-interval: 200ms\n"));

    private static Task<CliResult> RunAsync(params string[] arguments) =>
        Cli.RunProgramAsync("env", [.. Keys.Select(key => $"{key.Key}={key.Value}"), Checkout.Litestream, .. arguments]);

    /// <summary>The script makes its bucket after the port is open.</summary>
    private static Task WaitForBucketAsync(StorageServer server) => server.WaitUntilAsync(
        async () => (await RunAsync("ltx", $"s3://test/none?endpoint=http://127.0.0.1:{server.Port}")).ExitCode == 0, "its bucket is there");
}
