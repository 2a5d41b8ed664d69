using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Litestream.Storage.WebDav;

/// <summary>What a server asks for with Digest authentication (RFC 7616, RFC 2617): MD5, MD5-sess, SHA-256, SHA-256-sess; <c>qop=auth</c> or none.</summary>
internal sealed class DigestChallenge
{
    private readonly string _realm;
    private readonly string? _opaque;
    private readonly string? _algorithm;
    private readonly bool _hasQop;
    private int _count;

    private DigestChallenge(string realm, string nonce, string? opaque, string? algorithm, bool hasQop, bool isStale) =>
        (_realm, Nonce, _opaque, _algorithm, _hasQop, IsStale) = (realm, nonce, opaque, algorithm, hasQop, isStale);

    /// <summary>The server's number for this login.</summary>
    public string Nonce { get; }

    /// <summary>True: only the nonce was too old, user and password are right.</summary>
    public bool IsStale { get; }

    private bool IsSha256 => _algorithm?.StartsWith("SHA-256", StringComparison.OrdinalIgnoreCase) == true;

    private bool IsSession => _algorithm?.EndsWith("-sess", StringComparison.OrdinalIgnoreCase) == true;

    /// <summary>Reads the parameters of a challenge; null if it asks for something else than this class knows.</summary>
    public static DigestChallenge? Parse(string? parameter)
    {
        Dictionary<string, string> fields = ParseFields(parameter ?? "");
        string? algorithm = fields.GetValueOrDefault("algorithm");
        bool hasQop = fields.TryGetValue("qop", out string? qop);
        bool known = (algorithm ?? "MD5").ToUpperInvariant() is "MD5" or "MD5-SESS" or "SHA-256" or "SHA-256-SESS";
        bool usable = !hasQop || qop!.Split(',').Any(one => one.Trim().Equals("auth", StringComparison.OrdinalIgnoreCase));
        return known && usable && fields.TryGetValue("nonce", out string? nonce)
            ? new DigestChallenge(
                fields.GetValueOrDefault("realm", ""), nonce, fields.GetValueOrDefault("opaque"), algorithm, hasQop,
                fields.GetValueOrDefault("stale", "").Equals("true", StringComparison.OrdinalIgnoreCase))
            : null;
    }

    /// <summary>The parameters of the <c>Authorization</c> header of one request.</summary>
    /// <param name="user">User name.</param>
    /// <param name="password">Password.</param>
    /// <param name="method">Method of the request.</param>
    /// <param name="target">Path and query as they are sent.</param>
    /// <param name="clientNonce">A random number of the client; null = a new one.</param>
    public string Answer(string user, string password, string method, string target, string? clientNonce = null)
    {
        string count = Interlocked.Increment(ref _count).ToString("x8", CultureInfo.InvariantCulture);
        string client = clientNonce ?? RandomNumberGenerator.GetHexString(16, lowercase: true);
        string secret = Hash($"{user}:{_realm}:{password}");
        if (IsSession)
        {
            secret = Hash($"{secret}:{Nonce}:{client}");
        }

        string request = Hash($"{method}:{target}");
        string response = Hash(_hasQop ? $"{secret}:{Nonce}:{count}:{client}:auth:{request}" : $"{secret}:{Nonce}:{request}");
        var text = new StringBuilder($"username={Quote(user)}, realm={Quote(_realm)}, nonce={Quote(Nonce)}, uri={Quote(target)}, response=\"{response}\"");
        if (_algorithm is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $", algorithm={_algorithm}");
        }

        if (_opaque is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $", opaque={Quote(_opaque)}");
        }

        if (_hasQop)
        {
            text.Append(CultureInfo.InvariantCulture, $", qop=auth, nc={count}, cnonce=\"{client}\"");
        }
        else if (IsSession)
        {
            text.Append(CultureInfo.InvariantCulture, $", cnonce=\"{client}\"");
        }

        return text.ToString();
    }

    private string Hash(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
#pragma warning disable CA5351 // The protocol says MD5; the server chose it.
        return Convert.ToHexStringLower(IsSha256 ? SHA256.HashData(bytes) : MD5.HashData(bytes));
#pragma warning restore CA5351
    }

    private static string Quote(string text) => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    private static Dictionary<string, string> ParseFields(string text)
    {
        var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        int at = 0;
        while (at < text.Length && text.IndexOf('=', at) is > 0 and int equals)
        {
            string name = text[at..equals].Trim(' ', ',', '\t');
            var value = new StringBuilder();
            at = equals + 1;
            while (at < text.Length && text[at] is ' ' or '\t')
            {
                at++;
            }

            if (at < text.Length && text[at] == '"')
            {
                for (at++; at < text.Length && text[at] != '"'; at++)
                {
                    at += text[at] == '\\' && at + 1 < text.Length ? 1 : 0;
                    value.Append(text[at]);
                }

                at = text.IndexOf(',', Math.Min(at, text.Length - 1));
            }
            else
            {
                int comma = text.IndexOf(',', at);
                value.Append(text[at..(comma < 0 ? text.Length : comma)].Trim());
                at = comma;
            }

            fields.TryAdd(name, value.ToString());
            at = at < 0 ? text.Length : at + 1;
        }

        return fields;
    }
}
