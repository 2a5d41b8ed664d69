using System.Globalization;
using System.Text;

namespace Litestream.Configuration.Targets;

/// <summary>A replica URL in its parts (§4.1), decoded, before a backend gives them a meaning.</summary>
internal sealed record ReplicaUrl
{
    /// <summary>Lower-cased scheme; empty when the text has no <c>://</c>.</summary>
    public string Scheme { get; private init; } = "";

    public string User { get; private init; } = "";

    public string Password { get; private init; } = "";

    /// <summary>Host with port, as written.</summary>
    public string Host { get; private init; } = "";

    /// <summary>Path with its leading slash, percent-decoded.</summary>
    public string Path { get; private init; } = "";

    /// <summary>Path as upstream spells it: percent-encoding kept, or added where it was missing.</summary>
    public string EncodedPath { get; private init; } = "";

    public string Fragment { get; private init; } = "";

    /// <summary>Query parameters; the first value of each name.</summary>
    public IReadOnlyDictionary<string, string> Query { get; private init; } = new Dictionary<string, string>();

    /// <summary>Key prefix: the path cleaned, without leading slash; empty for the root (trap B23).</summary>
    public string Key => PathExpander.Normalize(Path);

    /// <summary>True for text that commands take as a replica URL rather than a database path: <c>^\w+://</c>.</summary>
    public static bool LooksLikeUrl(string text)
    {
        int colon = text.IndexOf("://", StringComparison.Ordinal);
        return colon > 0 && text.AsSpan(0, colon).IndexOfAnyExcept(WordCharacters) < 0;
    }

    /// <summary>Parses a URL.</summary>
    /// <exception cref="ConfigurationException">The text is no URL.</exception>
    public static ReplicaUrl Parse(string text)
    {
        int separator = text.IndexOf("://", StringComparison.Ordinal);
        if (separator < 0)
        {
            return new ReplicaUrl();
        }

        if (separator == 0)
        {
            throw Invalid(text, "missing protocol scheme");
        }

        string scheme = text[..separator].ToLowerInvariant();
        string rest = text[(separator + 3)..];
        string fragment = Cut(ref rest, '#');
        string query = Cut(ref rest, '?');
        int slash = rest.IndexOf('/', StringComparison.Ordinal);
        string authority = slash < 0 ? rest : rest[..slash];
        string path = slash < 0 ? "" : rest[slash..];
        int at = authority.LastIndexOf('@');
        string account = at < 0 ? "" : authority[..at];
        string password = Cut(ref account, ':');
        string host = authority[(at + 1)..];
        CheckPort(text, host);
        return new ReplicaUrl
        {
            Scheme = scheme,
            User = Decode(text, account),
            Password = Decode(text, password),
            Host = Decode(text, host),
            Path = Decode(text, path),
            EncodedPath = IsEncoded(path) ? path : EncodePath(Decode(text, path)),
            Fragment = Decode(text, fragment),
            Query = ParseQuery(query),
        };
    }

    /// <summary>The query form <c>a=b&amp;c=d</c>; broken escapes leave a value as it is.</summary>
    internal static IReadOnlyDictionary<string, string> ParseQuery(string query)
    {
        Dictionary<string, string> values = [];
        foreach (string pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            string name = pair;
            string value = Cut(ref name, '=');
            values.TryAdd(Uri.UnescapeDataString(name), Uri.UnescapeDataString(value.Replace('+', ' ')));
        }

        return values;
    }

    /// <summary>Escapes what upstream escapes in a path, for directories that upstream has written (trap B24).</summary>
    internal static string EncodePath(string path)
    {
        StringBuilder result = new(path.Length);
        foreach (byte b in Encoding.UTF8.GetBytes(path))
        {
            char c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || "-_.~$&+,/:;=@".Contains(c, StringComparison.Ordinal))
            {
                result.Append(c);
            }
            else
            {
                result.Append('%').Append(b.ToString("X2", CultureInfo.InvariantCulture));
            }
        }

        return result.ToString();
    }

    private static readonly System.Buffers.SearchValues<char> WordCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    private static ConfigurationException Invalid(string text, string reason) => new($"parse \"{SecretsInUrl.RedactBroken(text)}\": {reason}");

    /// <summary>Cuts a text at the first separator and returns what is behind it.</summary>
    private static string Cut(ref string text, char separator)
    {
        int at = text.IndexOf(separator, StringComparison.Ordinal);
        string behind = at < 0 ? "" : text[(at + 1)..];
        text = at < 0 ? text : text[..at];
        return behind;
    }

    private static void CheckPort(string text, string host)
    {
        int colon = host.LastIndexOf(':');
        if (colon > host.LastIndexOf(']') && host.AsSpan(colon + 1).IndexOfAnyExceptInRange('0', '9') >= 0)
        {
            // With an account somewhere behind it, what looks like a port is the beginning of a password.
            string port = SecretsInUrl.RedactBroken(text) == text ? $" \"{host[colon..]}\"" : "";
            throw Invalid(text, $"invalid port{port} after host");
        }
    }

    private static string Decode(string text, string part)
    {
        for (int i = part.IndexOf('%', StringComparison.Ordinal); i >= 0; i = part.IndexOf('%', i + 1))
        {
            if (i + 2 >= part.Length || !char.IsAsciiHexDigit(part[i + 1]) || !char.IsAsciiHexDigit(part[i + 2]))
            {
                throw Invalid(text, $"invalid URL escape \"{part[i..Math.Min(i + 3, part.Length)]}\"");
            }
        }

        return Uri.UnescapeDataString(part);
    }

    private static bool IsEncoded(string path)
    {
        foreach (char c in path)
        {
            if (!char.IsAsciiLetterOrDigit(c) && !"-_.~!$&'()*+,;=:@/[]%".Contains(c, StringComparison.Ordinal))
            {
                return false;
            }
        }

        return true;
    }
}
