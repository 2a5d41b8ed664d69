using System.Text;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.EndToEnd.Tests.Backends;

/// <summary>Passwords, keys and passphrases stay in the configuration file (decision D37).</summary>
public sealed class BackendSecretTests(BackendServers servers)
{
    public static TheoryData<string> Stores => ["s3", "abs", "abs-sas", "sftp", "nats", "webdav"];

    public static TheoryData<string> UrlStores => ["nats", "webdav"];

    [Theory]
    [MemberData(nameof(Stores))]
    public async Task Secrets_show_up_nowhere(string name)
    {
        TestStore store = await servers.GetAsync(name);
        using var scene = new BackendScene(store, await store.CreatePlaceAsync(), ["socket:", "  enabled: true", "  path: /tmp/" + Guid.NewGuid().ToString("N")]);
        await scene.SqlAsync("PRAGMA journal_mode=wal; CREATE TABLE t(n); INSERT INTO t VALUES(1)");
        string child = $"sh -c 'tr \"\\0\" \"\\n\" </proc/$$/environ >{scene["environ"]}; tr \"\\0\" \" \" </proc/$$/cmdline >{scene["child"]}; tr \"\\0\" \" \" </proc/$PPID/cmdline >{scene["parent"]}'";
        await using DaemonProcess daemon = scene.StartDaemon(null, "-log-level", "trace", "-exec", child);
        Assert.True(await daemon.WaitForExitAsync() == 0, daemon.Output);
        Assert.Contains("replicate", File.ReadAllText(scene["parent"]), StringComparison.Ordinal);
        await scene.RunAsync("status", "-config", scene.Configuration);
        await scene.RunAsync("status", "-config", scene.Configuration, scene.Database);
        await scene.RunAsync("databases", "-config", scene.Configuration);
        await scene.RunOkAsync("points", "-config", scene.Configuration, scene.Database);
        await scene.RunOkAsync("points", "-config", scene.Configuration, "-json", scene.Database);
        await scene.RunOkAsync("ltx", "-config", scene.Configuration, scene.Database);
        await scene.RunOkAsync("verify", "-config", scene.Configuration, "-json", scene.Database);
        await scene.RestoreAsync();
        string[] texts = [.. scene.Outputs, daemon.Output, File.ReadAllText(scene["environ"]), File.ReadAllText(scene["child"]), File.ReadAllText(scene["parent"])];
        AssertHidden(store, texts);

        // The child has what the user's environment has, and what a shell sets for itself.
        IEnumerable<string> given = Environment.GetEnvironmentVariables().Keys.Cast<string>().Concat(store.Environment.Keys).Concat(["PWD", "OLDPWD", "SHLVL", "_"]);
        Assert.Empty(File.ReadAllLines(scene["environ"]).Where(line => line.Contains('=', StringComparison.Ordinal)).Select(line => line.Split('=')[0]).Except(given));
        scene.Succeeded();
    }

    /// <summary>Every user of the machine sees arguments: it is said, and the password itself is not repeated.</summary>
    [Theory]
    [MemberData(nameof(UrlStores))]
    public async Task A_password_in_a_URL_argument_is_warned_of(string name)
    {
        TestStore store = await servers.GetAsync(name);
        IReadOnlyDictionary<string, string> place = await store.CreatePlaceAsync();
        using var scene = new BackendScene(store, place);
        await scene.SqlAsync("PRAGMA journal_mode=wal; CREATE TABLE t(n); INSERT INTO t VALUES(1)");
        string at = $"127.0.0.1:{store.Server!.Port}/{(name == "nats" ? place["bucket"] : place["path"].Trim('/'))}";
        string url = $"{name}://{(name == "nats" ? "app" : "u")}:{store.Secrets[0]}@{at}";
        string wrong = url.Replace(store.Secrets[0], "wrong-secret-4711", StringComparison.Ordinal);
        await Warned("replicate", "-once", scene.Database, url);
        await Warned("ltx", url);
        await Warned("points", "-json", url);
        await Warned("verify", "-json", url);
        await Warned("restore", "-o", scene["copy.db"], url);
        await Warned("restore", "-o", scene["other.db"], "-dry-run", url);
        foreach (string[] command in (string[][])[["ltx", wrong], ["restore", "-o", scene["x.db"], wrong], ["verify", wrong], ["replicate", scene.Database, wrong]])
        {
            CliResult refused = await scene.RunAsync(command);
            Assert.True(refused.ExitCode == 1, $"{string.Join(' ', command)}: exit code {refused.ExitCode}\n{refused.StandardOutput}");
            Assert.Contains("Warning:", refused.StandardOutput, StringComparison.Ordinal);
        }

        AssertHidden(store, scene.Outputs);
        scene.Succeeded();

        async Task Warned(params string[] command) => Assert.Contains("Warning: the replica URL", await scene.RunOkAsync(command), StringComparison.Ordinal);
    }

    /// <summary>Demands that no text holds a secret of a store.</summary>
    internal static void AssertHidden(TestStore store, IReadOnlyList<string> texts)
    {
        // Also as the basic login of HTTP sends it.
        IEnumerable<string> secrets = store.Secrets.Append("wrong-secret-4711");
        foreach (string secret in secrets.Concat(secrets.Select(one => Convert.ToBase64String(Encoding.UTF8.GetBytes("u:" + one)))))
        {
            Assert.DoesNotContain(texts, text => text.Contains(secret, StringComparison.Ordinal));
        }
    }
}
