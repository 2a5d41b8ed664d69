using System.Text.Json;
using Litestream.Cli.Tests.Replay;

namespace Litestream.Cli.Tests;

/// <summary>The command <c>verify</c> (decision D16): its line, its list, its exit codes.</summary>
public sealed class VerifyTests
{
    [Fact]
    public async Task It_proves_finds_damage_repairs_it_and_says_so_in_status()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        sandbox.WriteConfig("dbs:\n  - path: {dir}/db\n    replica:\n      path: {dir}/rep\n");
        for (int i = 0; i < 3; i++)
        {
            sandbox.Insert("db", 1, hold: true);
            Assert.Equal(0, (await sandbox.RunAsync("replicate", "-once", "-config", "{dir}/litestream.yml")).ExitCode);
        }

        string[] files = [.. Directory.GetFiles(sandbox.Root + "/rep/ltx/0").Order(StringComparer.Ordinal)];
        string newest = Path.GetFileName(files[^1])[..16];
        RunResult proven = await sandbox.RunAsync("verify", "file://{dir}/rep");
        Assert.Equal((0, ""), (proven.ExitCode, proven.Error));
        Assert.Matches(
            $"^file://.*/rep: proven to {newest} \\(\\d{{4}}-.*\\.\\d{{3}}Z\\) at \\d{{4}}-.*Z; {files.Length} files, \\d+ bytes; 0 damaged; lost: none\n$", proven.Output);

        byte[] content = File.ReadAllBytes(files[1]);
        content[content.Length / 2] ^= 1;
        File.WriteAllBytes(files[1], content);
        RunResult damaged = await sandbox.RunAsync("verify", "-json", "file://{dir}/rep");
        Assert.Equal(2, damaged.ExitCode);
        JsonElement json = JsonDocument.Parse(damaged.Output).RootElement;
        Assert.Equal(("damaged", "0000000000000001"), (json.GetProperty("result").GetString(), json.GetProperty("proven_txid").GetString()));
        JsonElement file = json.GetProperty("damaged").EnumerateArray().Single();
        Assert.Equal((0, Path.GetFileName(files[1])), (file.GetProperty("level").GetInt32(), file.GetProperty("name").GetString()));
        JsonElement lost = json.GetProperty("lost").EnumerateArray().Single();
        Assert.Equal(("0000000000000002", newest), (lost.GetProperty("first_txid").GetString(), lost.GetProperty("last_txid").GetString()));

        RunResult byPath = await sandbox.RunAsync("verify", "-config", "{dir}/litestream.yml", "{dir}/db");
        Assert.Equal(2, byPath.ExitCode);
        Assert.Contains($"; 1 damaged; lost: 0000000000000002-{newest}\n  level 0 {Path.GetFileName(files[1])}: damaged, offset", byPath.Output, StringComparison.Ordinal);
        Assert.Contains("damaged: 1 files, proven to 0000000000000001", (await sandbox.RunAsync("status", "-config", "{dir}/litestream.yml")).Output, StringComparison.Ordinal);

        RunResult repaired = await sandbox.RunAsync("verify", "-repair", "-deep", "-config", "{dir}/litestream.yml", "{dir}/db");
        Assert.True(repaired.ExitCode == 0, repaired.Output + repaired.Error);
        Assert.Contains($"  repaired: level 0 {Path.GetFileName(files[1])}", repaired.Output, StringComparison.Ordinal);
        Assert.Contains("  restored copy: ok, equal to the database\n", repaired.Output, StringComparison.Ordinal);
        JsonElement status = JsonDocument.Parse((await sandbox.RunAsync("status", "-json", "-config", "{dir}/litestream.yml")).Output).RootElement[0];
        Assert.Equal("proven", status.GetProperty("verification").GetProperty("result").GetString());

        // A file that is simply gone: the newest one, which only the state directory remembers.
        File.Delete(files[^1]);
        RunResult missing = await sandbox.RunAsync("verify", "-config", "{dir}/litestream.yml", "{dir}/db");
        Assert.Equal(2, missing.ExitCode);
        Assert.Contains($"level 0 {Path.GetFileName(files[^1])}: missing", missing.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("verify", "Error: database path or replica URL required\nTry: litestream verify /path/to/db\n")]
    [InlineData("verify a b", "Error: too many arguments\n")]
    [InlineData("verify -config x file:///r", "Error: cannot specify a replica URL and the -config flag\n")]
    [InlineData("verify file:///no/such/place", "Error: cannot verify file:///no/such/place: no matching backup files available\n")]
    public async Task What_cannot_be_checked_is_exit_code_1(string line, string error)
    {
        using Sandbox sandbox = new();
        RunResult result = await sandbox.RunAsync(line.Split(' '));
        Assert.Equal((1, error), (result.ExitCode, result.Error));
    }

    [Fact]
    public async Task A_wrong_share_is_a_usage_error()
    {
        using Sandbox sandbox = new();
        RunResult result = await sandbox.RunAsync("verify", "-share", "3", "/db");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("invalid value \"3\" for flag -share: must be 1/N", result.Error, StringComparison.Ordinal);
    }
}
