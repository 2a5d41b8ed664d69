using System.Buffers;
using System.Globalization;

namespace Litestream.Configuration;

/// <summary>The size syntax of <c>part-size</c>: a number with an optional unit, powers of 1000 or, with <c>i</c>, of 1024 (§3.3).</summary>
internal static class SizeText
{
    private const string Prefixes = "kmgtpe";

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.,");

    /// <summary>Bytes of a size text.</summary>
    /// <exception cref="ConfigurationException">The text is no size, or larger than 2^63 - 1.</exception>
    public static long Parse(string text)
    {
        if (text.Length == 0)
        {
            throw new ConfigurationException("empty size string");
        }

        int digits = text.AsSpan().IndexOfAnyExcept(NumberCharacters);
        ReadOnlySpan<char> number = digits < 0 ? text : text.AsSpan(0, digits);
        string unit = digits < 0 ? "" : text[digits..].Trim().ToLowerInvariant();
        string plain = number.ToString().Replace(",", "", StringComparison.Ordinal);
        if (!double.TryParse(plain, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double approximate))
        {
            throw new ConfigurationException($"invalid size format: no number at the start of \"{text}\"");
        }

        decimal factor = Factor(unit);
        if (approximate * (double)factor >= ulong.MaxValue)
        {
            throw new ConfigurationException($"invalid size format: too large: {text}");
        }

        decimal bytes = decimal.Truncate(decimal.Parse(plain, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) * factor);
        return bytes <= long.MaxValue
            ? (long)bytes
            : throw new ConfigurationException(
                string.Create(CultureInfo.InvariantCulture, $"size {bytes} exceeds maximum allowed value ({long.MaxValue})"));
    }

    private static decimal Factor(string unit)
    {
        if (unit is "" or "b")
        {
            return 1;
        }

        int power = Prefixes.IndexOf(unit[0], StringComparison.Ordinal) + 1;
        decimal? step = power == 0 ? null : unit[1..] switch
        {
            "" or "b" => 1000,
            "i" or "ib" => 1024,
            _ => null,
        };
        if (step is not { } factor)
        {
            throw new ConfigurationException($"invalid size format: unhandled size name: {unit}");
        }

        decimal result = 1;
        for (int i = 0; i < power; i++)
        {
            result *= factor;
        }

        return result;
    }
}
