using System.Globalization;
using System.Net;

namespace Litestream.Configuration.Targets;

/// <summary>
/// What an <c>s3://</c> URL says (§4.1 to §4.3): bucket, prefix, and the settings in its host form and query. There is one
/// resolver for every caller, and every parameter has both spellings (trap B29).
/// </summary>
internal sealed record S3Url(string Bucket, string Path)
{
    private const string ArnPrefix = "s3://arn:";
    private const string AccessPoint = ":accesspoint/";

    /// <summary>True if the URL ends with the host.</summary>
    public bool IsWithoutPath { get; private init; }

    public string Region { get; private init; } = "";

    public string Endpoint { get; private init; } = "";

    public bool? ForcePathStyle { get; private init; }

    public bool? SignPayload { get; private init; }

    public bool? RequireContentMd5 { get; private init; }

    public bool? SkipVerify { get; private init; }

    public string StorageClass { get; private init; } = "";

    public long? PartSize { get; private init; }

    public int? Concurrency { get; private init; }

    public CustomerEncryption Encryption { get; private init; } = new("", "", "", "");

    /// <exception cref="ConfigurationException">The URL or one of its parameters is invalid.</exception>
    public static S3Url Parse(string text)
    {
        if (text.StartsWith(ArnPrefix, StringComparison.OrdinalIgnoreCase))
        {
            int mark = text.IndexOf('?', StringComparison.Ordinal);
            string arn = text["s3://".Length..(mark < 0 ? text.Length : mark)];
            return ParseArn(arn).WithQuery(ReplicaUrl.ParseQuery(mark < 0 ? "" : text[(mark + 1)..]));
        }

        ReplicaUrl url = ReplicaUrl.Parse(text);
        return ParseHost(url).WithQuery(url.Query);
    }

    /// <summary>Hosts that are spoken to without TLS when the endpoint has no scheme (§4.3, #949).</summary>
    internal static bool IsLocal(string host)
    {
        int colon = host.LastIndexOf(':');
        string name = colon > host.LastIndexOf(']') ? host[..colon] : host;
        string[] prefixes = ["192.168.", "10.", "172.16.", "172.17.", "172.18.", "172.19.", "172.2", "172.30.", "172.31."];
        return name is "localhost" or "127.0.0.1"
            || prefixes.Any(p => name.StartsWith(p, StringComparison.Ordinal))
            || name.EndsWith(".local", StringComparison.Ordinal) || name.EndsWith(".localhost", StringComparison.Ordinal);
    }

    /// <summary>An endpoint of a URL or a variable: local ones are spoken to without TLS unless they say otherwise (§4.3, #949).</summary>
    internal static string WithScheme(string endpoint) => endpoint.Contains("://", StringComparison.Ordinal)
        ? endpoint
        : (IsLocal(endpoint.Split('/')[0]) ? "http://" : "https://") + endpoint;

    private static S3Url ParseArn(string arn)
    {
        int mark = arn.IndexOf(AccessPoint, StringComparison.OrdinalIgnoreCase);
        string name = mark < 0 ? "" : arn[(mark + AccessPoint.Length)..];
        int slash = name.IndexOf('/', StringComparison.Ordinal);
        string path = slash < 0 ? "" : name[(slash + 1)..];
        name = slash < 0 ? name : name[..slash];
        string[] fields = arn.Split(':');
        if (name.Length == 0 || fields.Length < 4)
        {
            throw new ConfigurationException("invalid s3 access point arn: " + arn);
        }

        return new S3Url(arn[..(mark + AccessPoint.Length)] + name, PathExpander.Normalize(Uri.UnescapeDataString(path)))
        {
            Region = fields[3],
        };
    }

    private static S3Url ParseHost(ReplicaUrl url)
    {
        string host = url.Host;
        int colon = host.LastIndexOf(':');
        string bare = colon > host.LastIndexOf(']') ? host[..colon] : host;
        if (IPAddress.TryParse(bare, out _) && (bare.Contains('.', StringComparison.Ordinal) || bare.Contains(':', StringComparison.Ordinal)))
        {
            string bucket = url.Key.Split('/')[0] is { Length: > 0 } first ? first : "BUCKET";
            throw new ConfigurationException(
                $"s3 replica URL names the address {host} where the bucket belongs; write s3://{bucket}/PATH?endpoint={host}");
        }

        string[] labels = host.Split('.');
        string rest = labels.Length > 1 ? host[(labels[0].Length + 1)..] : "";
        S3Url plain = new(labels[0], url.Key) { IsWithoutPath = url.Path.Length == 0 };
        return (labels.Length, rest) switch
        {
            (_, "s3.amazonaws.com") => plain,
            (5, _) when rest.StartsWith("s3.", StringComparison.Ordinal) && rest.EndsWith(".amazonaws.com", StringComparison.Ordinal) =>
                plain with { Region = labels[2] },
            (4, _) when rest.EndsWith(".digitaloceanspaces.com", StringComparison.Ordinal) =>
                plain with { Region = labels[1], Endpoint = "https://" + rest },
            (5, _) when rest.StartsWith("s3.", StringComparison.Ordinal) && rest.EndsWith(".backblazeb2.com", StringComparison.Ordinal) =>
                plain with { Region = labels[2], Endpoint = "https://" + rest, ForcePathStyle = true },
            (_, "s3.filebase.com") => plain with { Endpoint = rest, ForcePathStyle = true },
            (5, _) when rest.StartsWith("s3.", StringComparison.Ordinal) && rest.EndsWith(".scw.cloud", StringComparison.Ordinal) =>
                plain with { Region = labels[2], Endpoint = rest },
            _ when !host.Contains(':', StringComparison.Ordinal) => plain with { Bucket = host },
            _ when host.Contains(".com", StringComparison.Ordinal) => plain with { Bucket = "" },
            (1, _) => plain with { Bucket = "", Region = "us-east-1", Endpoint = "http://" + host, ForcePathStyle = true },
            _ => plain with { Region = "us-east-1", Endpoint = "http://" + rest, ForcePathStyle = true },
        };
    }

    private S3Url WithQuery(IReadOnlyDictionary<string, string> query)
    {
        string endpoint = Find(query, "endpoint", "endpoint", out _) ?? "";
        endpoint = endpoint.Length > 0 ? WithScheme(endpoint) : "";

        return this with
        {
            Endpoint = endpoint.Length > 0 ? endpoint : Endpoint,
            Region = Find(query, "region", "region", out _) is { Length: > 0 } region ? region : Region,
            ForcePathStyle = Flag(query, "forcePathStyle", "force-path-style") ?? (endpoint.Length > 0 ? true : ForcePathStyle),
            SignPayload = Flag(query, "signPayload", "sign-payload"),
            RequireContentMd5 = Flag(query, "requireContentMD5", "require-content-md5"),
            SkipVerify = Flag(query, "skipVerify", "skip-verify"),
            StorageClass = Find(query, "storageClass", "storage-class", out _) ?? "",
            PartSize = Positive(query, "partSize", "part-size", long.MaxValue),
            Concurrency = (int?)Positive(query, "concurrency", "concurrency", int.MaxValue),
            Encryption = new(
                Find(query, "sseCustomerAlgorithm", "sse-customer-algorithm", out _) ?? "",
                Find(query, "sseCustomerKey", "sse-customer-key", out _) ?? "",
                "",
                Find(query, "sseKmsKeyId", "sse-kms-key-id", out _) ?? ""),
        };
    }

    /// <summary>A parameter by either spelling; camelCase wins if both are there.</summary>
    private static string? Find(IReadOnlyDictionary<string, string> query, string camel, string kebab, out string name)
    {
        name = query.ContainsKey(camel) ? camel : kebab;
        return query.GetValueOrDefault(name);
    }

    private static bool? Flag(IReadOnlyDictionary<string, string> query, string camel, string kebab) =>
        Find(query, camel, kebab, out _) is { Length: > 0 } text ? text.ToLowerInvariant() is "true" or "1" or "t" or "yes" : null;

    private static long? Positive(IReadOnlyDictionary<string, string> query, string camel, string kebab, long maximum)
    {
        if (Find(query, camel, kebab, out string name) is not { Length: > 0 } text)
        {
            return null;
        }

        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value > 0 && value <= maximum
            ? value
            : throw new ConfigurationException($"invalid value for query parameter \"{name}\": \"{text}\" (must be a positive integer)");
    }
}
