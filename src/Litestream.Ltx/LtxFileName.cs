namespace Litestream.Ltx;

/// <summary>
/// The name of an LTX file: <c>&lt;min&gt;-&lt;max&gt;.ltx</c>, both 16 lower-case hex digits, nothing before or after
/// (ltx-format §8). The name does not prove the content: min ≤ max is not checked here.
/// </summary>
public static class LtxFileName
{
    private const string Extension = ".ltx";

    private const int Length = Txid.TextLength + 1 + Txid.TextLength + 4;

    /// <summary>The name of the file that holds the transactions from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static string Format(Txid min, Txid max) => $"{min}-{max}{Extension}";

    /// <summary>Recognises a name; anything else in a listing (temp files, upper case, other names) is to be skipped.</summary>
    public static bool TryParse(ReadOnlySpan<char> name, out Txid min, out Txid max)
    {
        min = max = default;
        return name.Length == Length
            && name[Txid.TextLength] == '-'
            && name.EndsWith(Extension, StringComparison.Ordinal)
            && !name.ContainsAnyInRange('A', 'F')
            && Txid.TryParse(name[..Txid.TextLength], out min)
            && Txid.TryParse(name.Slice(Txid.TextLength + 1, Txid.TextLength), out max);
    }
}
