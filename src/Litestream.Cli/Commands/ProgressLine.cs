using System.Globalization;
using Litestream.Cli.Output;
using Litestream.Configuration;
using Litestream.Restore;

namespace Litestream.Cli.Commands;

/// <summary>One line on a terminal that shows bytes, rate and time left, drawn over itself at most ten times a second.</summary>
internal sealed class ProgressLine(CliHost host) : IProgress<RestoreProgress>, IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly Lock gate = new();
    private readonly long began = host.Clock.GetTimestamp();
    private TimeSpan nextAt;
    private bool drawn;

    public void Report(RestoreProgress value)
    {
        lock (gate)
        {
            TimeSpan elapsed = host.Clock.GetElapsedTime(began);
            if (elapsed >= nextAt)
            {
                nextAt = elapsed + Interval;
                host.Error.Write("\r" + Format(value, elapsed) + "\e[K");
                drawn = true;
            }
        }
    }

    /// <summary>Removes the line.</summary>
    public void Finish()
    {
        lock (gate)
        {
            if (drawn)
            {
                host.Error.Write("\r\e[K");
                drawn = false;
            }
        }
    }

    public void Dispose() => Finish();

    internal static string Format(RestoreProgress value, TimeSpan elapsed)
    {
        double rate = elapsed > TimeSpan.Zero ? value.BytesDone / elapsed.TotalSeconds : 0;
        string left = rate > 0 && value.BytesTotal >= value.BytesDone
            ? DurationText.Format(TimeSpan.FromSeconds(Math.Ceiling((value.BytesTotal - value.BytesDone) / rate)))
            : "?";
        double share = value.BytesTotal > 0 ? 100.0 * value.BytesDone / value.BytesTotal : 100;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"restoring {ByteSizeText.Format(value.BytesDone)} of {ByteSizeText.Format(value.BytesTotal)} ({share:0} %), {ByteSizeText.Format((long)rate)}/s, {left} left");
    }
}
