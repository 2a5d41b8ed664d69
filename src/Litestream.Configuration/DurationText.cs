using System.Buffers;
using System.Globalization;
using System.Text;

namespace Litestream.Configuration;

/// <summary>
/// The duration syntax of configuration and flags: a sum of numbers with a unit, such as <c>1h30m</c> or <c>1.5s</c>
/// (cli-config-control §3.3). The resolution is 100 ns; a smaller non-zero value becomes the smallest one, never zero.
/// </summary>
public static class DurationText
{
    private const decimal NanosecondsPerTick = 100;

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    private static readonly (string Unit, decimal Nanoseconds)[] Units =
    [
        ("ns", 1m), ("us", 1e3m), ("µs", 1e3m), ("μs", 1e3m), ("ms", 1e6m), ("s", 1e9m), ("m", 6e10m), ("h", 3.6e12m),
    ];

    /// <summary>Reads a duration. A bare number is none, except <c>0</c>.</summary>
    /// <param name="text">Optional sign, then numbers with units; nothing around them.</param>
    /// <param name="duration">The value, or zero when the text is no duration.</param>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan duration)
    {
        duration = default;
        bool negative = text.StartsWith("-");
        if (negative || text.StartsWith("+"))
        {
            text = text[1..];
        }

        if (text is "0")
        {
            return true;
        }

        decimal total = 0;
        if (text.IsEmpty)
        {
            return false;
        }

        while (!text.IsEmpty)
        {
            if (!TryReadPart(ref text, out decimal part) || (total += part) > long.MaxValue)
            {
                return false;
            }
        }

        decimal ticks = total / NanosecondsPerTick;
        long whole = ticks is > 0 and < 1 ? 1 : (long)decimal.Truncate(ticks);
        duration = new TimeSpan(negative ? -whole : whole);
        return true;
    }

    /// <summary>Writes a duration in the form users know from error messages: <c>0s</c>, <c>1.5s</c>, <c>10m0s</c>, <c>1h0m0s</c>.</summary>
    public static string Format(TimeSpan duration)
    {
        if (duration == TimeSpan.Zero)
        {
            return "0s";
        }

        decimal nanoseconds = Math.Abs((decimal)duration.Ticks) * NanosecondsPerTick;
        StringBuilder text = new(duration < TimeSpan.Zero ? "-" : "");
        if (nanoseconds < 1e9m)
        {
            (decimal divisor, string unit) = nanoseconds switch
            {
                < 1e3m => (1m, "ns"),
                < 1e6m => (1e3m, "µs"),
                _ => (1e6m, "ms"),
            };
            return text.Append(Number(nanoseconds / divisor)).Append(unit).ToString();
        }

        decimal seconds = nanoseconds / 1e9m;
        decimal hours = decimal.Floor(seconds / 3600);
        decimal minutes = decimal.Floor(seconds / 60);
        if (hours > 0)
        {
            text.Append(Number(hours)).Append('h');
        }

        if (minutes > 0)
        {
            text.Append(Number(minutes % 60)).Append('m');
        }

        return text.Append(Number(seconds % 60)).Append('s').ToString();
    }

    private static string Number(decimal value) => value.ToString("0.#########", CultureInfo.InvariantCulture);

    private static bool TryReadPart(ref ReadOnlySpan<char> text, out decimal nanoseconds)
    {
        nanoseconds = 0;
        int digits = text.IndexOfAnyExcept(NumberCharacters);
        if (digits <= 0 || digits > 27 ||
            !decimal.TryParse(text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number))
        {
            return false;
        }

        text = text[digits..];
        int length = text.IndexOfAny(NumberCharacters);
        ReadOnlySpan<char> unit = length < 0 ? text : text[..length];
        foreach ((string name, decimal factor) in Units)
        {
            if (unit.SequenceEqual(name))
            {
                text = text[unit.Length..];
                if (number > long.MaxValue / factor)
                {
                    return false;
                }

                nanoseconds = number * factor;
                return true;
            }
        }

        return false;
    }
}
