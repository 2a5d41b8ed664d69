using System.Text.Json;
using Litestream.Cli.Tests.Replay;
using Litestream.TestKit;

namespace Litestream.Cli.Tests;

/// <summary>The command <c>restore</c> where no recorded run tells what is right.</summary>
public sealed class RestoreTests
{
    private const string One = "dbs:\n  - path: {dir}/db\n    replica:\n      path: {dir}/rep\n";

    [Fact]
    public async Task P26_the_result_is_one_JSON_object_and_names_what_was_restored()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        sandbox.WriteConfig("logging:\n  level: debug\n  stderr: false\n" + One);
        await ReplicateAsync(sandbox);
        sandbox.Insert("db", 2);
        await ReplicateAsync(sandbox);
        string newest = Path.GetFileName(Directory.GetFiles(sandbox.Root + "/rep/ltx/0").Order(StringComparer.Ordinal).Last())[..16];
        RunResult result = await sandbox.RunAsync("restore", "-config", "{dir}/litestream.yml", "-json", "-integrity-check", "full", "-o", "{dir}/out", "{dir}/db");
        JsonElement json = JsonDocument.Parse(result.Output).RootElement; // Throws if there is anything else on standard output.
        Assert.Equal((0, newest, "full"), (result.ExitCode, json.GetProperty("txid").GetString(), json.GetProperty("integrity_check").GetString()));
        Assert.Contains("post-restore integrity check passed", result.Error, StringComparison.Ordinal);
        Assert.Equal(5, sandbox.Rows("out"));
        RunResult older = await sandbox.RunAsync("restore", "-json", "-o", "{dir}/older", "-txid", "0000000000000001", "file://{dir}/rep");
        Assert.Equal("0000000000000001", JsonDocument.Parse(older.Output).RootElement.GetProperty("txid").GetString());
    }

    [Fact]
    public async Task P23_a_restored_database_continues_the_history_of_its_replica()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        sandbox.WriteConfig(One);
        await ReplicateAsync(sandbox);
        List<string> newest = [];
        for (int round = 0; round < 2; round++)
        {
            newest.Add(Directory.GetFiles(sandbox.Root + "/rep/ltx/0").Max(StringComparer.Ordinal)!);
            Lose(sandbox);
            Assert.Equal(0, (await sandbox.RunAsync("restore", "-config", "{dir}/litestream.yml", "{dir}/db")).ExitCode);
            sandbox.Insert("db", 4);
            await ReplicateAsync(sandbox);
        }

        newest.Add(Directory.GetFiles(sandbox.Root + "/rep/ltx/0").Max(StringComparer.Ordinal)!);
        Assert.Equal(newest.Order(StringComparer.Ordinal).Distinct(), newest);
        Lose(sandbox);
        Assert.Equal(0, (await sandbox.RunAsync("restore", "-config", "{dir}/litestream.yml", "{dir}/db")).ExitCode);
        Assert.Equal(3 + 4 + 4, sandbox.Rows("db"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task V11_reset_removes_local_state_only_and_the_next_sync_continues(bool ownState)
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        sandbox.WriteConfig(One + (ownState ? "    meta-path: {dir}/state\n" : ""));
        await ReplicateAsync(sandbox);
        string state = sandbox.Root + (ownState ? "/state" : "/.db-litestream");
        string[] replica = Directory.GetFiles(sandbox.Root + "/rep", "*", SearchOption.AllDirectories);
        string[] config = ownState ? ["-config", "{dir}/litestream.yml"] : [];
        RunResult dry = await sandbox.RunAsync(["reset", .. config, "-dry-run", "{dir}/db"]);
        Assert.Equal(0, dry.ExitCode);
        Assert.Contains("0000000000000001-0000000000000001.ltx", dry.Output + dry.Error, StringComparison.Ordinal);
        Assert.True(Directory.Exists(state + "/ltx"));
        Assert.Equal(0, (await sandbox.RunAsync(["reset", .. config, "{dir}/db"])).ExitCode);
        Assert.False(Directory.Exists(state + "/ltx"));
        Assert.Equal(replica, Directory.GetFiles(sandbox.Root + "/rep", "*", SearchOption.AllDirectories));
        Assert.Equal(0, (await sandbox.RunAsync(["reset", .. config, "{dir}/db"])).ExitCode); // Nothing there: no error.
        sandbox.Insert("db", 1);
        await ReplicateAsync(sandbox);
        Assert.True(File.Exists(sandbox.Root + "/rep/ltx/0/0000000000000002-0000000000000002.ltx"));
        Assert.Equal(0, (await sandbox.RunAsync("restore", "-o", "{dir}/out", "file://{dir}/rep")).ExitCode);
        Assert.Equal(4, sandbox.Rows("out"));
    }

    [Fact]
    public async Task V8_a_dry_run_of_a_v03_replica_shows_its_plan()
    {
        using Sandbox sandbox = new();
        Fixtures.Copy("v0.3", "many-indexes", sandbox.Root + "/rep");
        RunResult text = await sandbox.RunAsync("restore", "-dry-run", "-o", "{dir}/out", "file://{dir}/rep");
        Assert.Equal((0, ""), (text.ExitCode, text.Error));
        Assert.Contains("\n  v0.3 generation: 1fa92da74182595a\n\nFiles to fetch:\nfile  ", text.Output, StringComparison.Ordinal);
        Assert.Contains("\n00000003.snapshot.lz4 ", text.Output, StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse((await sandbox.RunAsync("restore", "-json", "-dry-run", "-o", "{dir}/out", "file://{dir}/rep")).Output).RootElement;
        Assert.Equal(("1fa92da74182595a", "00000003.snapshot.lz4"), (json.GetProperty("generation").GetString(), json.GetProperty("files")[0].GetProperty("name").GetString()));
        Assert.False(File.Exists(sandbox.Root + "/out"));
    }

    [Fact]
    public async Task A_local_copy_is_brought_up_to_date()
    {
        using Sandbox sandbox = new();
        sandbox.Hold("db", 3000); // Open connections keep the WAL, so that the second run copies a change and not everything.
        sandbox.WriteConfig(One);
        await ReplicateAsync(sandbox);
        RunResult first = await sandbox.RunAsync("restore", "-json", "-delta", "{dir}/copy", "-o", "{dir}/copy", "file://{dir}/rep");
        Assert.Equal(0, first.ExitCode);
        Assert.Contains("everything is fetched", first.Error, StringComparison.Ordinal);
        sandbox.Insert("db", 1, hold: true);
        await ReplicateAsync(sandbox);
        RunResult second = await sandbox.RunAsync("restore", "-json", "-delta", "{dir}/copy", "-o", "{dir}/copy", "file://{dir}/rep");
        JsonElement delta = JsonDocument.Parse(second.Output).RootElement.GetProperty("delta");
        Assert.True(delta.GetProperty("pages_copied").GetInt32() > delta.GetProperty("pages_fetched").GetInt32());
        Assert.Equal(3001, sandbox.Rows("copy"));
        Assert.Equal(0, (await sandbox.RunAsync("restore", "-o", "{dir}/full", "file://{dir}/rep")).ExitCode);
        Assert.Equal(File.ReadAllBytes(sandbox.Root + "/full"), File.ReadAllBytes(sandbox.Root + "/copy"));
        RunResult follow = await sandbox.RunAsync("restore", "-f", "-delta", "{dir}/copy", "-o", "{dir}/copy", "file://{dir}/rep");
        Assert.Equal((1, "Error: cannot use -delta with -f\n"), (follow.ExitCode, follow.Error));
    }

    [Fact]
    public async Task All_databases_are_restored_and_one_that_fails_does_not_stop_the_others()
    {
        using Sandbox sandbox = new();
        string config = "dbs:\n";
        for (int i = 0; i < 7; i++)
        {
            sandbox.CreateDatabase($"in/{i}/app.db", 3 + i);
            config += $"  - path: {{dir}}/in/{i}/app.db\n    replica:\n      path: {{dir}}/rep/{i}\n";
        }

        sandbox.WriteConfig(config);
        await ReplicateAsync(sandbox);
        foreach (string damaged in Directory.GetFiles(sandbox.Root + "/rep/3/ltx/0"))
        {
            File.WriteAllBytes(damaged, File.ReadAllBytes(damaged)[..^1]);
        }

        RunResult result = await sandbox.RunAsync("restore", "-all", "-json", "-config", "{dir}/litestream.yml", "-o", "{dir}/out");
        Assert.Equal((1, "Error: 1 of 7 databases could not be restored\n"), (result.ExitCode, result.Error.Split('\n')[^2] + "\n"));
        Dictionary<string, JsonElement> lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement).ToDictionary(line => line.GetProperty("db_path").GetString()!);
        Assert.Equal(7, lines.Count);
        for (int i = 0; i < 7; i++)
        {
            string path = $"{sandbox.Root}/out{sandbox.Root}/in/{i}/app.db";
            Assert.Equal(i == 3 ? "failed" : "restored", lines[path].GetProperty("status").GetString());
            Assert.Equal(i == 3 ? null : 3 + i, sandbox.Rows(path));
        }

        Assert.Contains("level 0, TXID", lines[$"{sandbox.Root}/out{sandbox.Root}/in/3/app.db"].GetProperty("message").GetString(), StringComparison.Ordinal);
        RunResult taken = await sandbox.RunAsync("restore", "-all", "-config", "{dir}/litestream.yml");
        Assert.Equal(1, taken.ExitCode);
        Assert.Equal(7, taken.Output.Split('\n').Count(line => line.Contains("already exists and is not empty", StringComparison.Ordinal)));
        RunResult skipped = await sandbox.RunAsync("restore", "-all", "-if-db-not-exists", "-config", "{dir}/litestream.yml");
        Assert.Equal((0, 7), (skipped.ExitCode, skipped.Output.Split('\n').Count(line => line.EndsWith(": skipped: database already exists", StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData("restore -all x", "cannot specify a database or replica URL with -all")]
    [InlineData("restore -all -txid 0000000000000001", "cannot use -all with -txid")]
    [InlineData("restore -all -f", "cannot use -all with -f")]
    [InlineData("restore -all -delta x", "cannot use -all with -delta")]
    [InlineData("restore -all -dry-run", "cannot use -all with -dry-run")]
    public async Task All_with_what_makes_no_sense(string line, string error)
    {
        using Sandbox sandbox = new();
        RunResult result = await sandbox.RunAsync(line.Split(' '));
        Assert.Equal((1, $"Error: {error}\n"), (result.ExitCode, result.Error));
    }

    private static async Task ReplicateAsync(Sandbox sandbox)
    {
        RunResult result = await sandbox.RunAsync("replicate", "-once", "-config", "{dir}/litestream.yml");
        Assert.True(result.ExitCode == 0, result.Error);
    }

    private static void Lose(Sandbox sandbox)
    {
        foreach (string file in Directory.GetFiles(sandbox.Root, "db*"))
        {
            File.Delete(file);
        }

        Directory.Delete(sandbox.Root + "/.db-litestream", recursive: true);
    }
}
