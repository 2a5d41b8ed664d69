namespace Litestream.Configuration.Tests;

public sealed class TextFormTests
{
    [Theory]
    [InlineData("0", "0s")]
    [InlineData("-0", "0s")]
    [InlineData("1h30m", "1h30m0s")]
    [InlineData("1.5h", "1h30m0s")]
    [InlineData(".5s", "500ms")]
    [InlineData("10m", "10m0s")]
    [InlineData("-1s", "-1s")]
    [InlineData("1500ms", "1.5s")]
    [InlineData("250us", "250µs")]
    [InlineData("100h", "100h0m0s")]
    public void Durations_read_and_print_as_users_know_them(string text, string printed)
    {
        Assert.True(DurationText.TryParse(text, out TimeSpan value));
        Assert.Equal(printed, DurationText.Format(value));
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("1d")]
    [InlineData("s")]
    [InlineData("1 s")]
    [InlineData("1s ")]
    [InlineData("1.2.3s")]
    [InlineData("99999999999999h")]
    [InlineData("--1s")]
    public void Other_texts_are_no_durations(string text) => Assert.False(DurationText.TryParse(text, out _));

    [Fact]
    public void The_smallest_duration_is_not_rounded_to_off()
    {
        // A rule "greater than 0" must not reject 1ns, and 0 means "off" in several places.
        Assert.True(DurationText.TryParse("1ns", out TimeSpan value));
        Assert.True(value > TimeSpan.Zero);
    }

    [Theory]
    [InlineData("5MB", 5000000)]
    [InlineData("5MiB", 5242880)]
    [InlineData("1.5MB", 1500000)]
    [InlineData("2.5GiB", 2684354560)]
    [InlineData("1,000", 1000)]
    [InlineData(".5MB", 500000)]
    [InlineData("5 k", 5000)]
    [InlineData("7EiB", 8070450532247928832)]
    public void Trap28_sizes(string text, long bytes) => Assert.Equal(bytes, SizeText.Parse(text));

    [Theory]
    [InlineData("", "empty size string")]
    [InlineData("-5MB", "invalid size format: ")]
    [InlineData("1e3", "invalid size format: unhandled size name: e3")]
    [InlineData("5_000", "invalid size format: unhandled size name: _000")]
    [InlineData("1XB", "invalid size format: unhandled size name: xb")]
    [InlineData("16EB", "size 16000000000000000000 exceeds maximum allowed value (9223372036854775807)")]
    [InlineData("99999999999GB", "invalid size format: too large: 99999999999GB")]
    public void Trap28_rejected_sizes(string text, string message) =>
        Assert.StartsWith(message, Assert.Throws<ConfigurationException>(() => SizeText.Parse(text)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("*.db", "a.db", true)]
    [InlineData("*.db", ".hid.db", true)]
    [InlineData("*.db", "a.DB", false)]
    [InlineData("[a-b].db", "b.db", true)]
    [InlineData("[^a-b].db", "b.db", false)]
    [InlineData("a?c", "abc", true)]
    [InlineData("\\*", "*", true)]
    [InlineData("\\*", "a", false)]
    [InlineData("**/*.db", "a.db", false)]
    [InlineData("*.{db,sqlite}", "a.db", false)]
    [InlineData("*a*b*c", "xaybzc", true)]
    [InlineData("*", "", true)]
    public void Patterns_are_shell_globs(string pattern, string name, bool match) =>
        Assert.Equal(match, new GlobPattern(pattern).IsMatch(name));

    [Theory]
    [InlineData("[a")]
    [InlineData("[")]
    [InlineData("a\\")]
    [InlineData("[]a]")]
    [InlineData("[a-]")]
    public void Malformed_patterns_are_errors(string pattern) => Assert.Throws<FormatException>(() => new GlobPattern(pattern));

    [Fact]
    public void A_pattern_with_many_stars_ends_quickly()
    {
        // Backtracking over every star would take longer than the universe has existed.
        Assert.False(new GlobPattern(string.Concat(Enumerable.Repeat("*a", 40)) + "b").IsMatch(new string('a', 200)));
    }
}
