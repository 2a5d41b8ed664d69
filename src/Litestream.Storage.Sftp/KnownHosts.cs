using System.Security.Cryptography;
using System.Text;

namespace Litestream.Storage.Sftp;

/// <summary>
/// Keys of one server in files of the <c>known_hosts</c> format: plain names with wildcards, hashed names (<c>|1|salt|hash</c>),
/// <c>[host]:port</c> and <c>@revoked</c>. Lines of certificate authorities are left alone: host certificates are not verified.
/// </summary>
internal sealed class KnownHosts
{
    private readonly List<HostKey> _keys = [];
    private readonly HashSet<string> _revoked = new(StringComparer.Ordinal);

    /// <summary>Keys that the server may present, in order of their lines.</summary>
    internal IReadOnlyList<HostKey> Keys => _keys;

    /// <summary>Whether a key is marked as stolen.</summary>
    internal bool IsRevoked(HostKey key) => _revoked.Contains(key.Blob);

    /// <summary>Adds the lines of a file that speak of a server.</summary>
    /// <param name="text">Content of the file.</param>
    /// <param name="name">The server as <see cref="SftpEndpoint.KnownAs"/>.</param>
    internal void Add(string text, string name)
    {
        foreach (string raw in text.Split('\n'))
        {
            string line = raw.Trim();
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            string marker = line[0] == '@' ? line.Split((char[]?)null, 2)[0] : "";
            string[] parts = line[marker.Length..].Trim().Split((char[]?)null, 2);
            if (parts.Length < 2 || HostKey.Parse(parts[1]) is not { } key || !Matches(parts[0], name))
            {
                continue;
            }

            if (marker == "@revoked")
            {
                _revoked.Add(key.Blob);
            }
            else if (marker.Length == 0)
            {
                _keys.Add(key);
            }
        }
    }

    private static bool Matches(string patterns, string name)
    {
        bool found = false;
        foreach (string pattern in patterns.Split(','))
        {
            bool negated = pattern.StartsWith('!');
            if (IsMatch(negated ? pattern[1..] : pattern, name))
            {
                if (negated)
                {
                    return false;
                }

                found = true;
            }
        }

        return found;
    }

    private static bool IsMatch(string pattern, string name)
    {
        if (!pattern.StartsWith("|1|", StringComparison.Ordinal))
        {
            return IsWildcardMatch(pattern, name);
        }

        string[] fields = pattern.Split('|');
        try
        {
#pragma warning disable CA5350 // The file format prescribes SHA-1; it only hides names.
            return fields.Length == 4
                && HMACSHA1.HashData(Convert.FromBase64String(fields[2]), Encoding.UTF8.GetBytes(name)).AsSpan().SequenceEqual(Convert.FromBase64String(fields[3]));
#pragma warning restore CA5350
        }
        catch (FormatException)
        {
            return false;
        }
    }

    private static bool IsWildcardMatch(ReadOnlySpan<char> pattern, ReadOnlySpan<char> name)
    {
        while (!pattern.IsEmpty)
        {
            if (pattern[0] == '*')
            {
                for (int skip = 0; skip <= name.Length; skip++)
                {
                    if (IsWildcardMatch(pattern[1..], name[skip..]))
                    {
                        return true;
                    }
                }

                return false;
            }

            if (name.IsEmpty || (pattern[0] != '?' && char.ToLowerInvariant(pattern[0]) != char.ToLowerInvariant(name[0])))
            {
                return false;
            }

            pattern = pattern[1..];
            name = name[1..];
        }

        return name.IsEmpty;
    }
}
