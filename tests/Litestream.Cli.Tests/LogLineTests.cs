using System.Runtime.InteropServices;
using System.Text.Json;
using Litestream.Cli.Logging;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Tests;

public sealed class LogLineTests
{
    private static readonly DateTimeOffset Time = new(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero);

    [Fact]
    public void Trap_B50_json_records_never_repeat_a_key()
    {
        string line = JsonLogLine.Format(Time, LogLevel.Information, "m", [new("level", 9), new("level", "info"), new("msg", "x"), new("time", 1), new("a", 1), new("a", 2)]);
        List<string> keys = [.. JsonDocument.Parse(line).RootElement.EnumerateObject().Select(p => p.Name)];
        Assert.Equal(keys.Distinct(), keys);
        Assert.Equal(["time", "level", "msg", "ltx_level", "log_level", "_msg", "_time", "a", "_a"], keys);
    }

    [Fact]
    public void Json_values_keep_their_types()
    {
        string line = JsonLogLine.Format(Time, LogLevel.Warning, "m & <n>", [
            new("interval", TimeSpan.FromSeconds(1)), new("signal", PosixSignal.SIGTERM), new("txid.min", "1"), new("txid.max", "2"), new("ok", true), new("e", new IOException("x"))]);
        Assert.Equal(
            "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"WARN\",\"msg\":\"m & <n>\",\"interval\":1000000000,\"signal\":15,"
            + "\"txid\":{\"min\":\"1\",\"max\":\"2\"},\"ok\":true,\"e\":\"x\"}\n", line);
    }

    [Theory]
    [InlineData("plain/path.db", "plain/path.db")]
    [InlineData("", "\"\"")]
    [InlineData("a b", "\"a b\"")]
    [InlineData("a=b", "\"a=b\"")]
    [InlineData("say \"x\"", "\"say \\\"x\\\"\"")]
    [InlineData("a\nb", "\"a\\nb\"")]
    [InlineData("a\u0001b", "\"a\\x01b\"")]
    [InlineData("grün;a&b", "grün;a&b")]
    [InlineData("a\u00a0b", "\"a\\u00a0b\"")]
    public void Text_values_are_quoted_where_a_reader_needs_it(string value, string written) => Assert.Equal(written, TextLogLine.Quote(value));

    [Fact]
    public void Trap31_no_colour_reaches_a_pipe()
    {
        Assert.Equal("03:04:05 ERR m a=1\n", PrettyLogLine.Format(Time, LogLevel.Error, "m", [new("a", 1)], colors: false));
        Assert.Contains('\e', PrettyLogLine.Format(Time, LogLevel.Error, "m", [], colors: true));
    }

    [Fact]
    public void Text_record_of_a_signal_and_a_duration()
    {
        Assert.Equal(
            "time=2026-01-02T03:04:05.678Z level=INFO msg=x signal=terminated after=1m5s\n",
            TextLogLine.Format(Time, LogLevel.Information, "x", [new("signal", PosixSignal.SIGTERM), new("after", TimeSpan.FromSeconds(65))]));
    }
}
