using System.Text;

namespace Litestream.Storage.S3;

/// <summary>Percent encoding as the signatures of S3 and OSS want it: everything but <c>A-Z a-z 0-9 - _ . ~</c>, UTF-8, upper-case hex.</summary>
internal static class PercentEncoding
{
    private const string HexDigits = "0123456789ABCDEF";

    /// <summary>A key as the path of a URL: slashes stay, also leading and doubled ones (trap T3).</summary>
    public static string Path(string key) => Encode(key, keepSlash: true);

    /// <summary>A name or value of a query.</summary>
    public static string Query(string text) => Encode(text, keepSlash: false);

    private static string Encode(string text, bool keepSlash)
    {
        var encoded = new StringBuilder(text.Length + 16);
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            char c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '~' || (keepSlash && c == '/'))
            {
                encoded.Append(c);
            }
            else
            {
                encoded.Append('%').Append(HexDigits[b >> 4]).Append(HexDigits[b & 15]);
            }
        }

        return encoded.ToString();
    }
}
