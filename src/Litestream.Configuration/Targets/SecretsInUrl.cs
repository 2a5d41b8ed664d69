namespace Litestream.Configuration.Targets;

/// <summary>
/// Secrets written into a replica URL: found so that a command can warn of them, and taken out before a URL is shown (decision D37).
/// </summary>
public static class SecretsInUrl
{
    private const string Mask = "xxxxx";

    private static readonly string[] SecretParameters = ["key", "secret", "password", "token", "sig"];

    /// <summary>Whether a URL holds a password or a query parameter that is one.</summary>
    public static bool Has(string text) => Redact(text) != text;

    /// <summary>The URL with <c>xxxxx</c> in place of every secret; a text that holds none is returned as it is.</summary>
    public static string Redact(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int begin = text.IndexOf("://", StringComparison.Ordinal);
        if (begin < 0)
        {
            return text;
        }

        begin += 3;
        int end = text.AsSpan(begin).IndexOfAny('/', '?', '#');
        end = end < 0 ? text.Length : begin + end;
        return RedactQuery(RedactAccount(text, begin, end));
    }

    /// <summary>The same for a text that is no valid URL, perhaps because of a <c>/</c> in the password: everything that may be one goes.</summary>
    internal static string RedactBroken(string text)
    {
        int begin = text.IndexOf("://", StringComparison.Ordinal);
        return begin < 0 ? text : RedactQuery(RedactAccount(text, begin + 3, text.Length));
    }

    private static string RedactAccount(string text, int begin, int end)
    {
        int at = end > begin ? text.LastIndexOf('@', end - 1, end - begin) : -1;
        int colon = at < 0 ? -1 : text.IndexOf(':', begin, at - begin);
        return colon < 0 || colon + 1 == at ? text : string.Concat(text.AsSpan(0, colon + 1), Mask, text.AsSpan(at));
    }

    private static string RedactQuery(string text)
    {
        int question = text.IndexOf('?', StringComparison.Ordinal);
        if (question < 0)
        {
            return text;
        }

        IEnumerable<string> pairs = text[(question + 1)..].Split('&').Select(pair =>
            pair.IndexOf('=', StringComparison.Ordinal) is var equals and > 0 && equals + 1 < pair.Length && IsSecret(pair[..equals])
                ? pair[..(equals + 1)] + Mask
                : pair);
        return text[..(question + 1)] + string.Join('&', pairs);
    }

    // "sse-kms-key-id", "access-key-id" and the algorithm name things that are no secrets.
    private static bool IsSecret(string name) => SecretParameters.Any(word => name.EndsWith(word, StringComparison.OrdinalIgnoreCase));
}
