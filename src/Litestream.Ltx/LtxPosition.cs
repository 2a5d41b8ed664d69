using System.Globalization;

namespace Litestream.Ltx;

/// <summary>
/// A state of a database: its last transaction and its rolling checksum. Text form: <c>&lt;txid&gt;/&lt;checksum&gt;</c>, 33
/// characters (ltx-format §8). Without checksums, as Litestream works, the second half is 0.
/// </summary>
/// <param name="Txid">Last transaction; 0 for an empty database.</param>
/// <param name="Checksum">Rolling checksum after it; 0 when none is kept.</param>
public readonly record struct LtxPosition(Txid Txid, ulong Checksum)
{
    /// <summary>Length of the text form in characters.</summary>
    public const int TextLength = Txid.TextLength + 1 + Txid.TextLength;

    /// <summary>Parses the text form; the separator is checked, too, which upstream does not do.</summary>
    /// <param name="text">Exactly 33 characters.</param>
    /// <param name="position">The position, or zeros when the text is not of that form.</param>
    public static bool TryParse(ReadOnlySpan<char> text, out LtxPosition position)
    {
        position = default;
        if (text.Length != TextLength
            || text[Txid.TextLength] != '/'
            || !Txid.TryParse(text[..Txid.TextLength], out Txid txid)
            || !Txid.TryParse(text[(Txid.TextLength + 1)..], out Txid checksum))
        {
            return false;
        }

        // A checksum has the same text form as a transaction id.
        position = new LtxPosition(txid, checksum.Value);
        return true;
    }

    /// <summary>The text form, lower case.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Txid}/{Checksum:x16}");
}
