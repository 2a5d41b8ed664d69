using Litestream.Cli.Tests.Replay;

namespace Litestream.Cli.Tests;

/// <summary>Directory entries with <c>watch: true</c> (cli-config-control §5).</summary>
public sealed class WatchTests
{
    private const string Watched = """
        dbs:
          - dir: {dir}/data
            pattern: "*.db"
            recursive: true
            watch: true
            replica:
              type: file
              path: {dir}/data/replica

        """;

    [Fact]
    public async Task Trap_A20_a_burst_of_databases_is_added_whole_and_nothing_else()
    {
        const int Count = 300;
        using Sandbox sandbox = NewSandbox();
        sandbox.CreateDatabase("first");
        using CliProcess daemon = await StartAsync(sandbox);
        Parallel.For(0, Count, i =>
        {
            string path = $"{sandbox.Root}/data/{i}.db";
            File.Copy(sandbox.Root + "/first", path);
            foreach (string side in (string[])["-journal", "x-wal", ".txt"])
            {
                File.Copy(sandbox.Root + "/first", path + side);
            }
        });
        await Task.WhenAll(Enumerable.Range(0, Count).Select(i => daemon.WaitForAsync(Added(sandbox, $"{i}.db"))));
        await WaitForReplicasAsync(sandbox, [.. Enumerable.Range(0, Count).Select(i => $"{i}.db")]);
        daemon.Send("SIGTERM");
        RunResult result = await daemon.WaitAsync();
        Assert.Equal(0, result.ExitCode);
        Assert.Equal(Count, result.Output.Split("added database to replication").Length - 1);
        Assert.DoesNotContain("level=ERROR", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trap_A21_databases_come_and_go_by_every_way()
    {
        using Sandbox sandbox = NewSandbox();
        sandbox.CreateDatabase("data/there.db");
        sandbox.CreateDatabase("elsewhere");
        using CliProcess daemon = await StartAsync(sandbox);

        // Created, renamed in, in nested new directories.
        sandbox.CreateDatabase("data/created.db");
        File.Copy(sandbox.Root + "/elsewhere", sandbox.Root + "/data/copy.part");
        File.Move(sandbox.Root + "/data/copy.part", sandbox.Root + "/data/moved.db");
        Directory.CreateDirectory(sandbox.Root + "/data/a/b");
        File.Copy(sandbox.Root + "/elsewhere", sandbox.Root + "/data/a/b/nested.db");
        foreach (string name in (string[])["created.db", "moved.db", "a/b/nested.db"])
        {
            await daemon.WaitForAsync(Added(sandbox, name));
            await WaitForReplicaAsync(sandbox, name);
        }

        // Not databases, until one becomes one.
        File.WriteAllText(sandbox.Root + "/data/text.db", "this is a text, and it is longer than a header");
        File.WriteAllBytes(sandbox.Root + "/data/empty.db", []);
        sandbox.CreateDatabase("data/empty.db");
        await daemon.WaitForAsync(Added(sandbox, "empty.db"));

        // Renamed within the tree, deleted, and gone with their directory.
        File.Move(sandbox.Root + "/data/moved.db", sandbox.Root + "/data/renamed.db");
        await daemon.WaitForAsync(Removed(sandbox, "moved.db"));
        await daemon.WaitForAsync(Added(sandbox, "renamed.db"));
        File.Delete(sandbox.Root + "/data/created.db");
        await daemon.WaitForAsync(Removed(sandbox, "created.db"));
        Directory.Delete(sandbox.Root + "/data/a", recursive: true);
        await daemon.WaitForAsync(Removed(sandbox, "a/b/nested.db"));
        Directory.CreateDirectory(sandbox.Root + "/data/a");
        File.Copy(sandbox.Root + "/elsewhere", sandbox.Root + "/data/a/again.db");
        await daemon.WaitForAsync(Added(sandbox, "a/again.db"));
        daemon.Send("SIGTERM");
        RunResult result = await daemon.WaitAsync();
        Assert.Equal(0, result.ExitCode);
        Assert.DoesNotContain("text.db", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("level=ERROR", result.Output, StringComparison.Ordinal);

        // Added while nobody watched.
        File.Copy(sandbox.Root + "/elsewhere", sandbox.Root + "/data/later.db");
        using CliProcess second = await StartAsync(sandbox);
        await WaitForReplicaAsync(sandbox, "later.db");
        second.Send("SIGTERM");
        Assert.Equal(0, (await second.WaitAsync()).ExitCode);
    }

    private static Sandbox NewSandbox()
    {
        var sandbox = new Sandbox();
        Directory.CreateDirectory(sandbox.Root + "/data");
        sandbox.WriteConfig(Watched);
        return sandbox;
    }

    private static async Task<CliProcess> StartAsync(Sandbox sandbox)
    {
        CliProcess daemon = sandbox.Start("replicate", "-config", "{dir}/litestream.yml");
        await daemon.WaitForAsync("found databases in directory");
        return daemon;
    }

    private static string Added(Sandbox sandbox, string name) => $"msg=\"added database to replication\" path={sandbox.Root}/data/{name}";

    private static string Removed(Sandbox sandbox, string name) => $"msg=\"removed database from replication\" path={sandbox.Root}/data/{name}";

    private static Task WaitForReplicaAsync(Sandbox sandbox, string name) => WaitForReplicasAsync(sandbox, name);

    /// <summary>One watcher for all: hundreds of them, each on the whole tree, would be what the test measures.</summary>
    private static async Task WaitForReplicasAsync(Sandbox sandbox, params string[] names)
    {
        var missing = new Queue<string>(names);
        bool AllAreThere()
        {
            while (missing.TryPeek(out string? name) && File.Exists($"{sandbox.Root}/data/replica/{name}/ltx/0/0000000000000001-0000000000000001.ltx"))
            {
                missing.Dequeue();
            }

            return missing.Count == 0;
        }

        try
        {
            await TestKit.Processes.FileWait.UntilAsync(sandbox.Root + "/data", AllAreThere, "replicas");
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message} of {missing.Count} databases: {string.Join(' ', missing.Take(5))}", e);
        }
    }
}
