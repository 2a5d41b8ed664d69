using System.Globalization;
using System.Runtime.InteropServices;
using Litestream.Configuration;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Logging;

/// <summary>Text forms of attribute values and levels.</summary>
internal static class LogValue
{
    public static string Level(LogLevel level) => level switch
    {
        LogLevel.Trace => "TRACE",
        LogLevel.Debug => "DEBUG",
        LogLevel.Information => "INFO",
        LogLevel.Warning => "WARN",
        _ => "ERROR",
    };

    public static string Text(object? value) => value switch
    {
        null => "",
        string text => text,
        bool flag => flag ? "true" : "false",
        TimeSpan duration => DurationText.Format(duration),
        DateTimeOffset time => time.ToString("yyyy-MM-dd'T'HH:mm:ss.fff", CultureInfo.InvariantCulture) + Zone(time),
        Exception error => error.Message,
        PosixSignal signal => SignalName(signal),
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    /// <summary>Zone of a time in RFC 3339 form.</summary>
    public static string Zone(DateTimeOffset time) =>
        time.Offset == TimeSpan.Zero ? "Z" : time.ToString("zzz", CultureInfo.InvariantCulture);

    /// <summary>Number of a signal on this platform.</summary>
    public static int SignalNumber(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGINT => 2,
        PosixSignal.SIGTERM => 15,
        _ => (int)signal,
    };

    private static string SignalName(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGINT => "interrupt",
        PosixSignal.SIGTERM => "terminated",
        _ => signal.ToString(),
    };
}
