using System.Text.Json;
using Litestream.Cli.Tests.Replay;
using Litestream.State;
using Litestream.Storage;

namespace Litestream.Cli.Tests;

/// <summary>What the released program does wrong and this one must not (cli-config-control §15 B).</summary>
public sealed class TrapTests
{
    private const string OneDatabase = "dbs:\n  - path: {dir}/db\n    replica:\n      type: file\n      path: {dir}/rep\n";

    [Fact]
    public async Task Trap_B1_unknown_keys_are_reported_beside_a_clean_result()
    {
        using Sandbox sandbox = new();
        sandbox.WriteConfig(OneDatabase + "    bogus: 1\nverifi-compaction: true\n");
        RunResult result = await sandbox.RunAsync("databases", "-json", "-config", "{dir}/litestream.yml");
        Assert.Equal(0, result.ExitCode);
        Assert.Single(JsonDocument.Parse(result.Output).RootElement.EnumerateArray());
        Assert.Contains("line=6 key=bogus", result.Error, StringComparison.Ordinal);
        Assert.Contains("did you mean \\\"verify-compaction\\\"?", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trap_B2_a_missing_database_is_reported_at_the_default_level()
    {
        using Sandbox sandbox = new();
        sandbox.WriteConfig(OneDatabase);
        using CliProcess daemon = sandbox.Start("replicate", "-config", "{dir}/litestream.yml");
        await daemon.WaitForAsync("level=WARN");
        daemon.Send("SIGTERM");
        RunResult result = await daemon.WaitAsync();
        Assert.Contains("path=" + sandbox.Root + "/db", result.Output.Split('\n').Single(l => l.Contains("level=WARN", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trap_B3_an_unknown_scheme_lists_the_supported_ones()
    {
        using Sandbox sandbox = new();
        RunResult result = await sandbox.RunAsync("ltx", "gcs://b/p");
        Assert.Equal((1, "Error: unknown replica type in config: \"gcs\" (supported: abs, file, gs, nats, oss, s3, sftp, webdav)\n"), (result.ExitCode, result.Error));
    }

    [Fact]
    public async Task Trap_B5_a_failed_final_sync_is_an_error_of_the_process()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        sandbox.WriteConfig("shutdown-sync-timeout: 0s\n" + OneDatabase);
        using CliProcess daemon = sandbox.Start("replicate", "-config", "{dir}/litestream.yml");
        await WaitForFileAsync(sandbox, "rep/ltx/0/0000000000000001-0000000000000001.ltx");
        Directory.Delete(sandbox.Root + "/rep", recursive: true);
        File.WriteAllText(sandbox.Root + "/rep", "in the way");
        sandbox.Insert("db", 2, hold: true);
        daemon.Send("SIGTERM");
        RunResult result = await daemon.WaitAsync();
        Assert.Equal(1, result.ExitCode);
        Assert.Contains($"final sync of {sandbox.Root}/db failed", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("echo a && echo b")]
    [InlineData("echo a ; echo b")]
    [InlineData("echo a | cat")]
    [InlineData("echo a > x")]
    [InlineData("echo a < x")]
    [InlineData("   ")]
    [InlineData("&& true")]
    public async Task Trap_B6_a_command_that_needs_a_shell_or_is_blank_is_refused(string command)
    {
        using Sandbox sandbox = new();
        RunResult result = await sandbox.RunAsync("replicate", "-exec", command, "{dir}/db", "file://{dir}/rep");
        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith("Error: cannot parse exec command: ", result.Error, StringComparison.Ordinal);
        Assert.Contains(command.Trim().Length == 0 ? "blank" : "sh -c", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sh -c 'exit 3'", 3)]
    [InlineData("sh -c 'exit 127'", 127)]
    [InlineData("sh -c 'kill -9 $$'", 137)]
    public async Task Trap_B7_the_exit_code_of_the_child_is_passed_on(string command, int code)
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        using CliProcess daemon = sandbox.Start("replicate", "-exec", command, "{dir}/db", "file://{dir}/rep");
        RunResult result = await daemon.WaitAsync();
        Assert.Equal((code, $"Error: exit status {code}\n"), (result.ExitCode, result.Error));
    }

    [Theory]
    [InlineData(143, 0)]
    [InlineData(9, 9)]
    public async Task Trap_B8_a_child_that_fails_after_our_signal_does_not_prevent_the_final_sync(int childCode, int code)
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        string script = $"sh -c 'trap \"sqlite3 {sandbox.Root}/db \\\"insert into t values(7)\\\"; exit {childCode}\" TERM; echo ready; while :; do sleep 0.05; done'";
        using CliProcess daemon = sandbox.Start("replicate", "-exec", script, "{dir}/db", "file://{dir}/rep");
        await daemon.WaitForAsync("ready");
        daemon.Send("SIGTERM");
        RunResult result = await daemon.WaitAsync();
        Assert.Equal(code, result.ExitCode);
        Assert.Equal(0, (await sandbox.RunAsync("restore", "-o", "{dir}/out", "file://{dir}/rep")).ExitCode);
        Assert.Equal(4, sandbox.Rows("out"));
    }

    [Theory]
    [InlineData("file://{dir}/none", "")]
    [InlineData("file://{dir}/rep", "00000000000000ff")]
    public async Task Trap_B9_force_keeps_the_old_database_until_the_new_one_is_complete(string url, string txid)
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        sandbox.CreateDatabase("out", 1);
        await sandbox.RunAsync("replicate", "-once", "{dir}/db", "file://{dir}/rep");
        string[] select = txid.Length > 0 ? ["-txid", txid] : [];
        Assert.Equal(1, (await sandbox.RunAsync(["restore", "-force", .. select, "-o", "{dir}/out", url])).ExitCode);
        Assert.Equal(1, (await sandbox.RunAsync("restore", "-force", "-txid", "0000000000000001", "-timestamp", "{now}", "-o", "{dir}/out", url)).ExitCode);
        Assert.Equal(1, sandbox.Rows("out"));
    }

    [Fact]
    public async Task Trap_B10_stale_side_files_never_meet_the_restored_database()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        await sandbox.RunAsync("replicate", "-once", "{dir}/db", "file://{dir}/rep");
        File.WriteAllText(sandbox.Root + "/out-wal", "stale");
        File.WriteAllText(sandbox.Root + "/out-journal", "stale");
        Assert.Equal(0, (await sandbox.RunAsync("restore", "-o", "{dir}/out", "file://{dir}/rep")).ExitCode);
        Assert.False(File.Exists(sandbox.Root + "/out-wal"));
        Assert.False(File.Exists(sandbox.Root + "/out-journal"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("logging: {type: json, level: debug}\n")]
    public async Task Trap_B11_restore_json_writes_one_document_whatever_is_logged(string logging)
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        sandbox.WriteConfig(logging + OneDatabase);
        await sandbox.RunAsync("replicate", "-once", "-config", "{dir}/litestream.yml");
        RunResult result = await sandbox.RunAsync("restore", "-json", "-integrity-check", "quick", "-config", "{dir}/litestream.yml", "-o", "{dir}/out", "{dir}/db");
        Assert.Equal("0000000000000001", JsonDocument.Parse(result.Output).RootElement.GetProperty("txid").GetString());
        Assert.Contains("post-restore integrity check passed", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trap_B12_directory_entries_show_their_databases_or_themselves()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("d/a.db");
        Directory.CreateDirectory(sandbox.Root + "/e");
        sandbox.WriteConfig("dbs:\n- {dir: {dir}/d, pattern: '*.db', meta-dir: {dir}/m, replica: {path: {dir}/rep}}\n- {dir: {dir}/e, pattern: '*.db', replica: {path: {dir}/rep2}}\n");
        RunResult result = await sandbox.RunAsync("databases", "-config", "{dir}/litestream.yml");
        string[] lines = result.Output.Split('\n');
        Assert.StartsWith(sandbox.Root + "/d/a.db", lines[1], StringComparison.Ordinal);
        Assert.StartsWith(sandbox.Root + "/e/*.db", lines[2], StringComparison.Ordinal);
        Assert.Contains("not initialized", (await sandbox.RunAsync("status", "-config", "{dir}/litestream.yml")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trap_B13_status_expands_its_argument_and_misses_loudly()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        sandbox.WriteConfig(OneDatabase);
        Assert.Contains(sandbox.Root + "/db", (await sandbox.RunAsync("status", "-config", "{dir}/litestream.yml", "./db")).Output, StringComparison.Ordinal);
        RunResult missed = await sandbox.RunAsync("status", "-config", "{dir}/litestream.yml", "nope");
        Assert.Equal((1, $"Error: database not found in config: {sandbox.Root}/nope\n"), (missed.ExitCode, missed.Error));
    }

    [Fact]
    public async Task Trap_B13_a_database_of_a_directory_entry_can_be_listed_and_restored()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("d/a.db");
        sandbox.WriteConfig("dbs:\n- {dir: {dir}/d, pattern: '*.db', replica: {path: {dir}/rep}}\n");
        await sandbox.RunAsync("replicate", "-once", "-config", "{dir}/litestream.yml");
        Assert.Equal(3, (await sandbox.RunAsync("ltx", "-config", "{dir}/litestream.yml", "d/a.db")).Output.Split('\n').Length);
        Assert.Equal(0, (await sandbox.RunAsync("restore", "-config", "{dir}/litestream.yml", "-o", "out", "d/a.db")).ExitCode);
        Assert.Equal(3, sandbox.Rows("out"));
    }

    [Fact]
    public async Task Trap_B14_reset_finds_the_configuration_like_every_command()
    {
        using Sandbox sandbox = new(new() { ["LITESTREAM_CONFIG"] = "{dir}/litestream.yml" });
        sandbox.CreateDatabase("db");
        sandbox.WriteConfig(OneDatabase.Replace("    replica:", "    meta-path: {dir}/meta\n    replica:", StringComparison.Ordinal));
        await sandbox.RunAsync("replicate", "-once");
        Assert.Contains($"Removing: {sandbox.Root}/meta/ltx", (await sandbox.RunAsync("reset", "{dir}/db")).Output, StringComparison.Ordinal);
        Assert.False(Directory.Exists(sandbox.Root + "/meta/ltx"));
    }

    /// <summary>What the daemon is about to upload would be gone, and its numbers would go on from a state that nobody has.</summary>
    [Fact]
    public async Task Trap_B15_reset_of_a_database_that_a_daemon_replicates_is_refused_unless_forced()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        sandbox.WriteConfig(OneDatabase);
        await sandbox.RunAsync("replicate", "-once", "-config", "{dir}/litestream.yml");
        DatabaseOptions database = new() { Path = sandbox.Root + "/db" };
        using (StateDirectoryLock.TryAcquire(LocalFileSystem.Instance, database))
        {
            RunResult refused = await sandbox.RunAsync("reset", "{dir}/db");
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains("a running litestream process replicates", refused.Error, StringComparison.Ordinal);
            Assert.True(Directory.Exists(database.StateDirectory + "/ltx"));

            RunResult second = await sandbox.RunAsync("replicate", "-once", "-config", "{dir}/litestream.yml");
            Assert.Equal(1, second.ExitCode);
            Assert.Contains("another litestream process replicates", second.Error, StringComparison.Ordinal);
            Assert.Equal(0, (await sandbox.RunAsync("reset", "-force", "{dir}/db")).ExitCode);
        }

        Assert.False(Directory.Exists(database.StateDirectory + "/ltx"));
        Assert.Equal(0, (await sandbox.RunAsync("reset", "{dir}/db")).ExitCode);
    }

    [Fact]
    public async Task Trap_B38_an_unknown_log_level_is_an_error()
    {
        using Sandbox sandbox = new();
        sandbox.WriteConfig(OneDatabase);
        RunResult result = await sandbox.RunAsync("replicate", "-log-level", "loud", "-config", "{dir}/litestream.yml");
        Assert.Equal((1, "Error: unknown -log-level \"loud\" (allowed: trace, debug, info, warn, warning, error)\n"), (result.ExitCode, result.Error));
    }

    [Theory]
    [InlineData("start", "0")]
    [InlineData("stop", "-1")]
    public async Task Trap_B41_a_time_limit_that_is_none_is_refused(string command, string seconds)
    {
        using Sandbox sandbox = new();
        Assert.Equal("Error: timeout must be greater than 0\n", (await sandbox.RunAsync(command, "-timeout", seconds, "/db")).Error);
    }

    [Fact]
    public async Task Trap_B42_an_output_that_cannot_be_looked_at_does_not_count_as_existing()
    {
        using Sandbox sandbox = new();
        File.WriteAllText(sandbox.Root + "/f", "a file");
        RunResult result = await sandbox.RunAsync("restore", "-if-db-not-exists", "-o", "{dir}/f/out", "file://{dir}/rep");
        Assert.Equal((1, $"Error: cannot access output path: stat {sandbox.Root}/f/out: not a directory\n"), (result.ExitCode, result.Error));
    }

    [Fact]
    public async Task Trap_B44_a_bad_listener_address_is_found_before_a_database_is_opened()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        sandbox.WriteConfig("addr: \"9090\"\n" + OneDatabase);
        RunResult result = await sandbox.RunAsync("replicate", "-once", "-config", "{dir}/litestream.yml");
        Assert.Equal((1, "Error: must specify port for bind address: \"9090\"\n"), (result.ExitCode, result.Error));
        Assert.Equal(["db"], sandbox.Files());
    }

    [Fact]
    public async Task Trap_B45_a_child_that_ends_at_once_is_replicated_all_the_same()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        using CliProcess daemon = sandbox.Start("replicate", "-exec", "sqlite3 {dir}/db \"insert into t values('q')\"", "{dir}/db", "file://{dir}/rep");
        Assert.Equal(0, (await daemon.WaitAsync()).ExitCode);
        await sandbox.RunAsync("restore", "-o", "{dir}/out", "file://{dir}/rep");
        Assert.Equal(4, sandbox.Rows("out"));
    }

    [Fact]
    public async Task Trap_B46_a_database_that_is_a_symbolic_link_is_replicated()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("real/x.db");
        File.CreateSymbolicLink(sandbox.Root + "/db", "real/x.db");
        RunResult result = await sandbox.RunAsync("replicate", "-once", "{dir}/db", "file://{dir}/rep");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        await sandbox.RunAsync("restore", "-o", "{dir}/out", "file://{dir}/rep");
        Assert.Equal(3, sandbox.Rows("out"));
    }

    [Fact]
    public async Task Trap_B47_a_second_signal_while_the_child_lives_does_not_cancel_the_first_final_sync()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        string script = $"sh -c 'trap \"\" TERM; echo ready; while [ ! -e {sandbox.Root}/go ]; do sleep 0.05; done; sqlite3 {sandbox.Root}/db \"insert into t values(1)\"'";
        using CliProcess daemon = sandbox.Start("replicate", "-exec", script, "{dir}/db", "file://{dir}/rep");
        await daemon.WaitForAsync("ready");
        daemon.Send("SIGTERM");
        await daemon.WaitForAsync("waiting for exec process");
        daemon.Send("SIGTERM");
        File.WriteAllText(sandbox.Root + "/go", "");
        Assert.Equal(0, (await daemon.WaitAsync()).ExitCode);
        await sandbox.RunAsync("restore", "-o", "{dir}/out", "file://{dir}/rep");
        Assert.Equal(4, sandbox.Rows("out"));
    }

    // Who lets the store expire files must hear what that can cost, and must not lose files to us as well.
    [Fact]
    public async Task Trap12_without_retention_a_warning_is_given_and_nothing_is_deleted_on_the_replica()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        const string text = "snapshot: {interval: 1ms, retention: 1ms}\ndbs:\n- {path: {dir}/db, replica: {path: {dir}/rep}}\n";
        foreach (bool enabled in new[] { false, true })
        {
            sandbox.WriteConfig((enabled ? "" : "retention: {enabled: false}\n") + text);
            HashSet<string> before = [];
            for (int i = 0; i < 4; i++)
            {
                sandbox.Insert("db", 1);
                before.UnionWith(sandbox.Files().Where(file => file.StartsWith("rep/", StringComparison.Ordinal)));
                RunResult result = await sandbox.RunAsync(
                    "replicate", "-once", "-force-snapshot", "-enforce-retention", "-config", "{dir}/litestream.yml");
                Assert.Equal(0, result.ExitCode);
                Assert.Equal(!enabled, (result.Output + result.Error).Contains("retention is disabled", StringComparison.Ordinal));
            }

            Assert.Equal(!enabled, before.All(sandbox.Files().Contains));
        }
    }

    [Theory]
    [InlineData("tenant#1.db")]
    [InlineData("a?b.db")]
    [InlineData("a%20b.db")]
    [InlineData("my database.db")]
    public async Task Trap22_special_names_are_replicated_under_their_own_name(string name)
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("d/db");
        File.Move(sandbox.Root + "/d/db", sandbox.Root + "/d/" + name);
        sandbox.WriteConfig("dbs:\n- {dir: {dir}/d, pattern: '*', replica: {path: {dir}/rep}}\n");
        RunResult result = await sandbox.RunAsync("replicate", "-once", "-config", "{dir}/litestream.yml");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Contains($"rep/{name}/ltx/0/0000000000000001-0000000000000001.ltx", sandbox.Files());
    }

    [Fact]
    public async Task Ltx_verify_finds_a_damaged_file_and_dump_prints_a_good_one()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        await sandbox.RunAsync("replicate", "-once", "{dir}/db", "file://{dir}/rep");
        string file = sandbox.Root + "/rep/ltx/0/0000000000000001-0000000000000001.ltx";
        RunResult good = await sandbox.RunAsync("ltx", "-verify", "{dir}/rep");
        Assert.Equal(0, good.ExitCode);
        Assert.StartsWith(file + ": ok, ", good.Output, StringComparison.Ordinal);
        Assert.Contains("Frame #0: pgno=1", (await sandbox.RunAsync("ltx", "-dump", file)).Output, StringComparison.Ordinal);
        byte[] bytes = File.ReadAllBytes(file);
        bytes[200] ^= 1;
        File.WriteAllBytes(file, bytes);
        RunResult bad = await sandbox.RunAsync("ltx", "-verify", "{dir}/rep");
        Assert.Equal((1, "Error: 1 of 1 LTX files damaged\n"), (bad.ExitCode, bad.Error));
        Assert.StartsWith(file + ": damaged: ", bad.Output, StringComparison.Ordinal);
    }

    private static async Task WaitForFileAsync(Sandbox sandbox, string relative)
    {
        string path = Path.Combine(sandbox.Root, relative);
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(30));
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(20));
        while (!File.Exists(path))
        {
            await timer.WaitForNextTickAsync(limit.Token);
        }
    }
}
