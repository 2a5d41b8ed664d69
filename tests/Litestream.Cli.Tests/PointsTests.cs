using System.Text.Json;
using Litestream.Cli.Tests.Replay;

namespace Litestream.Cli.Tests;

/// <summary>The command <c>points</c> (decision D15).</summary>
public sealed class PointsTests
{
    [Fact]
    public async Task Ranges_and_gaps_are_shown_for_a_database_and_for_a_url()
    {
        using Sandbox sandbox = new();
        sandbox.CreateDatabase("db");
        sandbox.WriteConfig("dbs:\n  - path: {dir}/db\n    replica:\n      path: {dir}/rep\n");
        for (int i = 0; i < 5; i++)
        {
            sandbox.Insert("db", 1, hold: true);
            Assert.Equal(0, (await sandbox.RunAsync("replicate", "-once", "-config", "{dir}/litestream.yml")).ExitCode);
        }

        string[] files = [.. Directory.GetFiles(sandbox.Root + "/rep/ltx/0").Order(StringComparer.Ordinal)];
        RunResult whole = await sandbox.RunAsync("points", "-config", "{dir}/litestream.yml", "{dir}/db");
        string[] lines = whole.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.StartsWith("from                  to                    from_txid         to_txid           points  granularity", lines[0], StringComparison.Ordinal);
        Assert.EndsWith($"0000000000000001  {files.Length:x16}  {files.Length}       every transaction", lines[1], StringComparison.Ordinal);

        File.Delete(files[2]);
        RunResult damaged = await sandbox.RunAsync("points", "-json", "file://{dir}/rep");
        Assert.Equal((0, ""), (damaged.ExitCode, damaged.Error));
        JsonElement json = JsonDocument.Parse(damaged.Output).RootElement;
        Assert.Equal("0000000000000002", json.GetProperty("ranges").EnumerateArray().Single().GetProperty("max_txid").GetString());
        JsonElement gap = json.GetProperty("gaps").EnumerateArray().Single();
        Assert.Equal(("0000000000000002", ""), (gap.GetProperty("after_txid").GetString(), gap.GetProperty("resumes_txid").GetString()));
        Assert.Equal(files.Length - 3, gap.GetProperty("lost_points").GetInt32());
        RunResult text = await sandbox.RunAsync("points", "file://{dir}/rep");
        Assert.Contains("gap: transactions 0000000000000003 are missing; ", text.Output, StringComparison.Ordinal);
        Assert.Contains("are lost; nothing newer can be restored", text.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("points", "Error: database path or replica URL required\nTry: litestream points /path/to/db\n")]
    [InlineData("points a b", "Error: too many arguments\n")]
    [InlineData("points -config x file:///r", "Error: cannot specify a replica URL and the -config flag\n")]
    public async Task Usage_errors(string line, string error)
    {
        using Sandbox sandbox = new();
        RunResult result = await sandbox.RunAsync(line.Split(' '));
        Assert.Equal((1, error), (result.ExitCode, result.Error));
    }

    [Fact]
    public async Task An_empty_replica_has_no_points()
    {
        using Sandbox sandbox = new();
        RunResult result = await sandbox.RunAsync("points", "file://{dir}/rep");
        Assert.Equal((0, "nothing can be restored\n", ""), (result.ExitCode, result.Output, result.Error));
    }
}
