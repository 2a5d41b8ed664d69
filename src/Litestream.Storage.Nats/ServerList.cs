namespace Litestream.Storage.Nats;

/// <summary>The servers of a NATS URL, without user info and path.</summary>
/// <param name="Servers">Addresses with commas, as the client library takes them.</param>
/// <param name="User">Decoded user of the first address that has one, or its token; empty = none.</param>
/// <param name="Password">Decoded password; null if the user info is a token.</param>
internal sealed record ServerList(string Servers, string User, string? Password)
{
    /// <summary>Reads a URL.</summary>
    /// <exception cref="ReplicaException">It is none.</exception>
    public static ServerList Parse(string url)
    {
        var servers = new List<string>();
        string user = "";
        string? password = null;
        foreach (string part in url.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            string address = part.Contains("://", StringComparison.Ordinal) ? part : "nats://" + part;
            if (!Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) || uri.Host.Length == 0)
            {
                throw new ReplicaException("nats: the URL is not of the form nats://host[:port]/bucket; correct it", isTransient: false);
            }

            if (uri.UserInfo.Length > 0 && user.Length == 0)
            {
                int colon = uri.UserInfo.IndexOf(':', StringComparison.Ordinal);
                user = Uri.UnescapeDataString(colon < 0 ? uri.UserInfo : uri.UserInfo[..colon]);
                password = colon < 0 ? null : Uri.UnescapeDataString(uri.UserInfo[(colon + 1)..]);
            }

            servers.Add($"{uri.Scheme}://{uri.Host}:{(uri.Port > 0 ? uri.Port : 4222)}");
        }

        return servers.Count > 0
            ? new ServerList(string.Join(',', servers), user, password)
            : new ServerList("nats://127.0.0.1:4222", "", null);
    }

    /// <summary>The servers for messages; never a secret.</summary>
    public static string Display(string url)
    {
        try
        {
            return Parse(url).Servers;
        }
        catch (ReplicaException)
        {
            return "nats://?";
        }
    }

    /// <inheritdoc/>
    public override string ToString() => Servers;
}
