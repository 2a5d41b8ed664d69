using System.Text.Json;
using Litestream.Cli.Commands;
using Litestream.Cli.Flags;
using Litestream.Cli.Output;
using Litestream.Cli.Tests.Replay;
using Litestream.Restore;

namespace Litestream.Cli.Tests;

public sealed class OutputTests
{
    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1000, "1.0 kB")]
    [InlineData(4120, "4.1 kB")]
    [InlineData(9999, "10 kB")]
    [InlineData(32992, "33 kB")]
    [InlineData(4152992, "4.2 MB")]
    public void Sizes_for_people(long bytes, string text) => Assert.Equal(text, ByteSizeText.Format(bytes));

    [Fact]
    public void Table_columns_are_padded_by_characters_and_the_last_one_not()
    {
        TextTable table = new("a", "bb", "c");
        table.Add("grün", "1", "x");
        Assert.Equal("a     bb  c\ngrün  1   x\n", table.ToString());
    }

    [Fact]
    public void Progress_says_what_is_done_how_fast_and_how_long_it_takes()
    {
        Assert.Equal(
            "restoring 250 MB of 1.0 GB (25 %), 50 MB/s, 15s left",
            ProgressLine.Format(new RestoreProgress(250_000_000, 1_000_000_000), TimeSpan.FromSeconds(5)));
        Assert.Contains("? left", ProgressLine.Format(new RestoreProgress(0, 10), TimeSpan.Zero), StringComparison.Ordinal);
    }

    /// <summary>Commands that no released program has; nothing of them is recorded.</summary>
    private static readonly string[] OwnCommands = ["points", "verify"];

    public static TheoryData<string> Commands() => [.. CommandLine.Names.Except(OwnCommands)];

    /// <summary>Scripts and people find every documented flag in the help text, and the summary is complete (usage.json).</summary>
    [Theory]
    [MemberData(nameof(Commands))]
    public void Help_names_every_recorded_flag_with_its_argument_and_default(string name)
    {
        Assert.SkipUnless(RecordedRun.Exist, "no recordings beside this checkout");
        JsonElement recorded = RecordedRun.Document("usage").GetProperty("commands").GetProperty(name);
        Command command = CommandLine.Create(name, CliHost.ForProcess())!;
        string help = HelpText.For(command);
        foreach (JsonElement synopsis in recorded.GetProperty("synopsis").EnumerateArray())
        {
            Assert.Contains(synopsis.GetString()!, help, StringComparison.Ordinal);
        }

        foreach (JsonElement flag in recorded.GetProperty("flags").EnumerateArray())
        {
            Flag known = command.Flags.All.Single(f => "-" + f.Name == flag.GetProperty("flag").GetString());
            Assert.Equal(flag.TryGetProperty("bool", out _), known.IsBoolean);
            Assert.Equal(flag.TryGetProperty("argument", out JsonElement argument) ? argument.GetString() : "", known.Argument);
            if (flag.TryGetProperty("default", out JsonElement standard))
            {
                Assert.Contains($"default {standard.GetString()})", known.Help, StringComparison.Ordinal);
            }
        }

        Assert.Contains($"\n    {name} ", HelpText.Summary(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_summary_lists_the_recorded_commands_in_their_order()
    {
        Assert.SkipUnless(RecordedRun.Exist, "no recordings beside this checkout");
        Assert.Equal(
            RecordedRun.Document("usage").GetProperty("summary").EnumerateArray().Select(n => n.GetString()), CommandLine.Names.Except(OwnCommands));
    }
}
