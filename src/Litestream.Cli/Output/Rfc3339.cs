using System.Globalization;

namespace Litestream.Cli.Output;

/// <summary>Times as users give them: RFC 3339 with <c>T</c> and a zone, nothing else (§2.2).</summary>
internal static class Rfc3339
{
    private const string WholeSeconds = "yyyy-MM-dd'T'HH:mm:ss";
    private const int WholeSecondsLength = 19;
    private const int TickDigits = 7;

    public static bool TryParse(string text, out DateTimeOffset time)
    {
        time = default;
        if (text.Length <= WholeSecondsLength || !DateTime.TryParseExact(
            text.AsSpan(0, WholeSecondsLength), WholeSeconds, CultureInfo.InvariantCulture, DateTimeStyles.None, out DateTime local))
        {
            return false;
        }

        ReadOnlySpan<char> rest = text.AsSpan(WholeSecondsLength);
        if (rest[0] is '.' or ',')
        {
            int end = rest[1..].IndexOfAnyExceptInRange('0', '9') + 1;
            if (end <= 1)
            {
                return false;
            }

            // Digits behind the seventh are smaller than anything that is compared here.
            string digits = rest[1..Math.Min(end, TickDigits + 1)].ToString().PadRight(TickDigits, '0');
            local = local.AddTicks(int.Parse(digits, CultureInfo.InvariantCulture));
            rest = rest[end..];
        }

        if (!TryParseZone(rest, out TimeSpan offset))
        {
            return false;
        }

        try
        {
            time = new DateTimeOffset(local, offset);
            return true;
        }
        catch (ArgumentOutOfRangeException)
        {
            return false;
        }
    }

    private static bool TryParseZone(ReadOnlySpan<char> zone, out TimeSpan offset)
    {
        offset = TimeSpan.Zero;
        if (zone is "Z")
        {
            return true;
        }

        if (zone.Length != 6 || zone[0] is not ('+' or '-') || zone[3] != ':'
            || !int.TryParse(zone[1..3], NumberStyles.None, CultureInfo.InvariantCulture, out int hours)
            || !int.TryParse(zone[4..], NumberStyles.None, CultureInfo.InvariantCulture, out int minutes) || minutes > 59)
        {
            return false;
        }

        offset = new TimeSpan(hours, minutes, 0);
        offset = zone[0] == '-' ? -offset : offset;
        return true;
    }
}
