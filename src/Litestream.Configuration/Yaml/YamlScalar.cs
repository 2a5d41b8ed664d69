using System.Globalization;

namespace Litestream.Configuration.Yaml;

/// <summary>The YAML 1.1 readings of plain scalars that configurations of existing users rely on (§3.3).</summary>
internal static class YamlScalar
{
    /// <summary>Reads a boolean word: lower case, Capitalised or UPPER, but not mixed (<c>oN</c> is text).</summary>
    public static bool? TryBoolean(string text)
    {
        // Upper case behind the first letter goes only with no lower case at all.
        bool regular = text.AsSpan(1).ContainsAnyInRange('A', 'Z') != text.AsSpan().ContainsAnyInRange('a', 'z');
        return (regular || text.Length == 1, text.ToLowerInvariant()) switch
        {
            (true, "y" or "yes" or "on" or "true") => true,
            (true, "n" or "no" or "off" or "false") => false,
            _ => null,
        };
    }

    /// <summary>Reads an integer (decimal, <c>0x</c>, <c>0b</c>, <c>0o</c>, leading-zero octal, underscores) or a decimal fraction.</summary>
    public static bool TryNumber(string text, out decimal number)
    {
        number = 0;
        string plain = text.Replace("_", "", StringComparison.Ordinal);
        bool negative = plain.StartsWith('-');
        if (negative || plain.StartsWith('+'))
        {
            plain = plain[1..];
        }

        if (plain.Length == 0 || !(char.IsAsciiDigit(plain[0]) || plain[0] == '.'))
        {
            return false;
        }

        (int radix, string digits) = plain switch
        {
            ['0', 'x', .. string rest] => (16, rest),
            ['0', 'o', .. string rest] => (8, rest),
            ['0', 'b', .. string rest] => (2, rest),
            ['0', .. { Length: > 0 } rest] when rest.AsSpan().IndexOfAnyExceptInRange('0', '7') < 0 => (8, rest),
            _ => (10, plain),
        };
        bool valid = radix == 10
            ? decimal.TryParse(digits, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out number)
            : TryRadix(digits, radix, out number);
        number = negative ? -number : number;
        return valid;
    }

    private static bool TryRadix(string digits, int radix, out decimal number)
    {
        number = 0;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : radix;
            if (digit >= radix || number > ulong.MaxValue)
            {
                return false;
            }

            number = (number * radix) + digit;
        }

        return digits.Length > 0;
    }
}
