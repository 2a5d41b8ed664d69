using Litestream.Configuration;

namespace Litestream.Cli.Flags;

/// <summary>A flag of a command.</summary>
/// <param name="name">Name without dashes.</param>
/// <param name="argument">What the value is called in the help text; empty for booleans.</param>
/// <param name="help">One sentence or more for the help text.</param>
internal abstract class Flag(string name, string argument, string help)
{
    public string Name { get; } = name;

    public string Argument { get; } = argument;

    public string Help { get; } = help;

    public virtual bool IsBoolean => false;

    /// <summary>True once the user has given it.</summary>
    public bool IsGiven { get; private set; }

    /// <summary>Takes a value; returns what is wrong with it, or null.</summary>
    public string? Set(string text)
    {
        IsGiven = true;
        return Read(text);
    }

    protected abstract string? Read(string text);
}

/// <summary>A flag with any text as its value.</summary>
internal sealed class TextFlag(string name, string argument, string help, string initial = "") : Flag(name, argument, help)
{
    public string Value { get; private set; } = initial;

    protected override string? Read(string text)
    {
        Value = text;
        return null;
    }
}

/// <summary>A switch.</summary>
internal sealed class BooleanFlag(string name, string help) : Flag(name, "", help)
{
    public bool Value { get; private set; }

    public override bool IsBoolean => true;

    protected override string? Read(string text)
    {
        (bool known, Value) = text switch
        {
            "1" or "t" or "T" or "TRUE" or "true" or "True" => (true, true),
            "0" or "f" or "F" or "FALSE" or "false" or "False" => (true, false),
            _ => (false, false),
        };
        return known ? null : "parse error";
    }
}

/// <summary>A whole number in decimal, <c>0x</c>, <c>0o</c>, <c>0b</c> or leading-zero octal form, with <c>_</c> between digits.</summary>
internal sealed class IntegerFlag(string name, string argument, long initial, string help) : Flag(name, argument, help)
{
    public long Value { get; private set; } = initial;

    protected override string? Read(string text)
    {
        bool negative = text.StartsWith('-');
        string digits = negative || text.StartsWith('+') ? text[1..] : text;
        int radix = 10;
        if (digits.Length > 1 && digits[0] == '0')
        {
            (radix, digits) = char.ToLowerInvariant(digits[1]) switch
            {
                'x' => (16, digits[2..]),
                'b' => (2, digits[2..]),
                'o' => (8, digits[2..]),
                _ => (8, digits[1..]),
            };
        }

        Int128 value = 0;
        bool any = false;
        foreach (char c in digits)
        {
            int digit = c == '_' && any ? -1 : char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : radix;
            if (digit >= radix)
            {
                return "parse error";
            }

            any = true;
            if (digit >= 0 && value <= long.MaxValue)
            {
                value = (value * radix) + digit;
            }
        }

        value = negative ? -value : value;
        if (!any)
        {
            return "parse error";
        }

        if (value > long.MaxValue || value < long.MinValue)
        {
            return "value out of range";
        }

        Value = (long)value;
        return null;
    }
}

/// <summary>A duration with a unit.</summary>
internal sealed class DurationFlag(string name, string argument, TimeSpan initial, string help) : Flag(name, argument, help)
{
    public TimeSpan Value { get; private set; } = initial;

    protected override string? Read(string text)
    {
        bool valid = DurationText.TryParse(text, out TimeSpan value);
        Value = value;
        return valid ? null : "parse error";
    }
}

/// <summary>A flag whose value has a form of its own.</summary>
/// <param name="name">Name without dashes.</param>
/// <param name="argument">What the value is called in the help text.</param>
/// <param name="initial">Value when the flag is not given.</param>
/// <param name="parse">Returns the value, or null and what is wrong.</param>
/// <param name="help">Text for the help.</param>
internal sealed class ParsedFlag<T>(string name, string argument, T initial, Func<string, (T Value, string? Problem)> parse, string help)
    : Flag(name, argument, help)
{
    public T Value { get; private set; } = initial;

    protected override string? Read(string text)
    {
        (T value, string? problem) = parse(text);
        Value = problem is null ? value : Value;
        return problem;
    }
}
