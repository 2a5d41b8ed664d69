using Litestream.TestKit.Processes;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.EndToEnd.Tests.Backends;

/// <summary>
/// What can never work is refused at the start, before a database is touched (decision D10): a daemon that only logs errors looks like a
/// working one.
/// </summary>
public sealed class BackendErrorTests(BackendServers servers)
{
    public static TheoryData<string> Refusing => ["s3", "s3-swift", "abs", "abs-sas", "sftp", "nats", "webdav"];

    public static TheoryData<string> WithBuckets => ["s3", "s3-swift", "abs", "gs", "nats"];

    [Theory]
    [MemberData(nameof(Refusing))]
    public async Task A_wrong_secret_is_refused_at_the_start(string name)
    {
        TestStore store = await servers.GetAsync(name);
        await AssertRefusedAsync(store, store.DescribeRefused()!);
    }

    [Theory]
    [MemberData(nameof(WithBuckets))]
    public async Task A_missing_bucket_is_refused_at_the_start(string name)
    {
        TestStore store = await servers.GetAsync(name);
        string message = await AssertRefusedAsync(store, store.DescribeMissing()!);
        Assert.Contains("no-such-bucket", message, StringComparison.Ordinal);
    }

    private static async Task<string> AssertRefusedAsync(TestStore store, IReadOnlyDictionary<string, string> place)
    {
        using var scene = new BackendScene(store, place);
        await scene.SqlAsync("PRAGMA journal_mode=wal; CREATE TABLE t(n)");
        string[] before = [.. Directory.GetFileSystemEntries(Path.GetDirectoryName(scene.Database)!).Order(StringComparer.Ordinal)];
        await using DaemonProcess daemon = scene.StartDaemon();
        int code = await daemon.WaitForExitAsync();
        Assert.True(code == 1, $"exit code {code}{Environment.NewLine}{daemon.Output}");
        string message = daemon.Lines.Single(line => line.StartsWith("Error: ", StringComparison.Ordinal));
        TestContext.Current.TestOutputHelper?.WriteLine(message);
        Assert.Contains($"\"{scene.Database}\"", message, StringComparison.Ordinal);
        Assert.Equal(before, Directory.GetFileSystemEntries(Path.GetDirectoryName(scene.Database)!).Order(StringComparer.Ordinal));
        foreach (string secret in store.Secrets.Append("wrong-secret-4711"))
        {
            Assert.DoesNotContain(secret, daemon.Output, StringComparison.Ordinal);
        }

        scene.Succeeded();
        return message;
    }
}
