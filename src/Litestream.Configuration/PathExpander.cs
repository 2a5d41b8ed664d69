using System.Text;
using Litestream.Storage;

namespace Litestream.Configuration;

/// <summary>Path expansion of configuration and command line (§1.5): <c>sqlite://</c> prefix, <c>~</c>, absolute and clean.</summary>
public sealed class PathExpander(ConfigurationHost host)
{
    private const int MaxAccountDatabaseSize = 16 << 20;

    private string? homeDirectory;

    /// <summary>Expands a path. Variables and <c>~user</c> are kept; symbolic links are not resolved.</summary>
    /// <exception cref="ConfigurationException">The path starts with <c>~</c> and the account has no home directory.</exception>
    public string Expand(string path)
    {
        foreach (string prefix in (ReadOnlySpan<string>)["sqlite3://", "sqlite://"])
        {
            if (path.StartsWith(prefix, StringComparison.Ordinal))
            {
                path = path[prefix.Length..];
                break;
            }
        }

        return path == "~" || path.StartsWith("~/", StringComparison.Ordinal)
            ? Clean(HomeDirectory + path[1..])
            : MakeAbsolute(path);
    }

    /// <summary>Only makes a path absolute and clean, for the arguments that upstream does not expand (§1.5).</summary>
    public string MakeAbsolute(string path) =>
        Clean(path.StartsWith('/') ? path : host.WorkingDirectory + "/" + path);

    /// <summary>Resolves <c>.</c>, <c>..</c> and repeated slashes of an absolute path.</summary>
    internal static string Clean(string path)
    {
        StringBuilder result = new("/");
        result.Append(Normalize(path));
        return result.ToString();
    }

    /// <summary>The segments of a path without <c>.</c>, <c>..</c>, empty ones and the leading slash.</summary>
    internal static string Normalize(string path)
    {
        List<string> kept = [];
        foreach (string segment in path.Split('/'))
        {
            if (segment == "..")
            {
                if (kept.Count > 0)
                {
                    kept.RemoveAt(kept.Count - 1);
                }
            }
            else if (segment is not ("" or "."))
            {
                kept.Add(segment);
            }
        }

        return string.Join('/', kept);
    }

    /// <summary>
    /// Home directory of the account. It comes from the user database, not from <c>$HOME</c>, because daemons often run
    /// without that variable (§1.5).
    /// </summary>
    private string HomeDirectory => homeDirectory ??= FindHomeDirectory();

    private string FindHomeDirectory()
    {
        const string accounts = "/etc/passwd";
        if (host.Files.Stat(accounts) is { Kind: FileKind.Regular, Size: <= MaxAccountDatabaseSize })
        {
            foreach (string line in Encoding.UTF8.GetString(TextFile.ReadBytes(host.Files, accounts, MaxAccountDatabaseSize)).Split('\n'))
            {
                string[] fields = line.Split(':');
                if (fields.Length >= 7 && fields[0] == host.UserName && fields[5].StartsWith('/'))
                {
                    return fields[5].TrimEnd('/');
                }
            }
        }

        return host.GetVariable("HOME") is { Length: > 0 } home
            ? home.TrimEnd('/')
            : throw new ConfigurationException($"cannot expand ~: no home directory known for user \"{host.UserName}\"");
    }
}
