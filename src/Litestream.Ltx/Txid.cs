using System.Globalization;

namespace Litestream.Ltx;

/// <summary>
/// A transaction id: the position of one sync pass in the history of a database. 1 is the first; 0 means "none".
/// Text form: exactly 16 lower-case hex digits (ltx-format §8).
/// </summary>
/// <param name="Value">The number, full 64-bit range.</param>
public readonly record struct Txid(ulong Value) : IComparable<Txid>
{
    /// <summary>Length of the text form in characters.</summary>
    public const int TextLength = 16;

    /// <summary>No transaction.</summary>
    public static Txid None => default;

    /// <summary>True for 0, which names no transaction.</summary>
    public bool IsNone => Value == 0;

    /// <summary>The id that follows this one.</summary>
    /// <exception cref="OverflowException">The id is 2^64 - 1.</exception>
    public Txid Next => new(checked(Value + 1));

    /// <summary>Parses the text form. Upper-case digits are accepted: users type them (ltx-format §8).</summary>
    /// <param name="text">Exactly 16 hex digits, nothing around them.</param>
    /// <param name="txid">The id, or 0 when the text is not of that form.</param>
    public static bool TryParse(ReadOnlySpan<char> text, out Txid txid)
    {
        txid = default;
        if (text.Length != TextLength)
        {
            return false;
        }

        foreach (char c in text)
        {
            // NumberStyles.AllowHexSpecifier also takes white space on some overloads; the rule is strict.
            if (!char.IsAsciiHexDigit(c))
            {
                return false;
            }
        }

        txid = new Txid(ulong.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(Txid other) => Value.CompareTo(other.Value);

    /// <summary>The 16 lower-case hex digits.</summary>
    public override string ToString() => Value.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Order by number.</summary>
    public static bool operator <(Txid left, Txid right) => left.Value < right.Value;

    /// <summary>Order by number.</summary>
    public static bool operator >(Txid left, Txid right) => left.Value > right.Value;

    /// <summary>Order by number.</summary>
    public static bool operator <=(Txid left, Txid right) => left.Value <= right.Value;

    /// <summary>Order by number.</summary>
    public static bool operator >=(Txid left, Txid right) => left.Value >= right.Value;
}
