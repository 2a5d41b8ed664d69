namespace Litestream.Storage.S3;

/// <summary>What a kind of S3 server needs (backends §4.2, trap T24). Settings of the user win over it.</summary>
/// <param name="Name">Name for messages.</param>
/// <param name="ContentMd5">Whether batch deletes carry <c>Content-MD5</c>.</param>
/// <param name="ForcesPathStyle">Whether the bucket must be in the path.</param>
/// <param name="Concurrency">Parts in flight at a time.</param>
/// <param name="IsConsistentOnDemand">Whether requests ask for strong consistency with <c>X-Tigris-Consistent: true</c>.</param>
internal sealed record S3Provider(
    string Name, bool ContentMd5 = true, bool ForcesPathStyle = false, int Concurrency = S3Provider.DefaultConcurrency, bool IsConsistentOnDemand = false)
{
    private const int DefaultConcurrency = 5;

    /// <summary>No endpoint.</summary>
    public static S3Provider Aws { get; } = new("AWS");

    /// <summary>A server that is none of the known ones.</summary>
    public static S3Provider Other { get; } = new("S3-compatible");

    // The first match counts.
    private static readonly (Func<string, bool> Matches, S3Provider Provider)[] Table =
    [
        (host => host is "fly.storage.tigris.dev" or "t3.storage.dev", new("Tigris", ContentMd5: false, IsConsistentOnDemand: true)),
        (Under("r2.cloudflarestorage.com"), new("Cloudflare R2", Concurrency: 2)),
        (Under("backblazeb2.com"), new("Backblaze B2", ForcesPathStyle: true)),
        (Under("digitaloceanspaces.com"), new("DigitalOcean")),
        (Under("scw.cloud"), new("Scaleway")),
        (host => host == "s3.filebase.com", new("Filebase", ForcesPathStyle: true)),
        (Under("your-objectstorage.com"), new("Hetzner")),
        (Under("supabase.co"), new("Supabase", ForcesPathStyle: true)),
        (IsGoogle, new("Google Cloud Storage")),
        (IsPrivate, new("MinIO-like", ForcesPathStyle: true)),
    ];

    // A port alone does not make one of these a private server.
    private static readonly string[] PublicMarks =
    [
        ".amazonaws.com", ".digitaloceanspaces.com", ".backblazeb2.com", ".filebase.com", ".scw.cloud", ".r2.cloudflarestorage.com", "tigris.dev",
        "t3.storage.dev", ".supabase.co",
    ];

    /// <summary>The provider behind an endpoint, with or without scheme, path and port.</summary>
    public static S3Provider Detect(string endpoint)
    {
        if (endpoint.Length == 0)
        {
            return Aws;
        }

        string host = HostOf(endpoint);
        if (host.Contains('@', StringComparison.Ordinal))
        {
            return Other;
        }

        return Table.Where(row => row.Matches(host)).Select(row => row.Provider).FirstOrDefault() ?? Other;
    }

    /// <summary>Host and port in lower case.</summary>
    private static string HostOf(string endpoint)
    {
        int scheme = endpoint.IndexOf("://", StringComparison.Ordinal);
        string rest = scheme < 0 ? endpoint : endpoint[(scheme + 3)..];
        int end = rest.AsSpan().IndexOfAny("/?#");
        return (end < 0 ? rest : rest[..end]).ToLowerInvariant();
    }

    private static Func<string, bool> Under(string domain) => host => host.EndsWith("." + domain, StringComparison.Ordinal);

    private static bool IsPrivate(string host) =>
        host.Contains(':', StringComparison.Ordinal) && !PublicMarks.Any(mark => host.Contains(mark, StringComparison.Ordinal));

    /// <summary>The interoperability hosts of Google: <c>storage.googleapis.com</c> and its regional and mutual-TLS forms, not buckets in host names.</summary>
    private static bool IsGoogle(string hostAndPort)
    {
        int port = hostAndPort.LastIndexOf(':');
        string host = (port < 0 ? hostAndPort : hostAndPort[..port]).TrimEnd('.');
        string[] labels = host.Split('.');
        return labels.Length >= 3
            && labels[^2] == "googleapis" && labels[^1] == "com"
            && !labels.Contains("")
            && HasStorage(labels[0])
            && (labels.Length == 3 || !HasStorage(labels[1]));

        static bool HasStorage(string label) => label.Split('-').Contains("storage");
    }
}
