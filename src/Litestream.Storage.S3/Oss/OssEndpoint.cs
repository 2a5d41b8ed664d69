using System.Net;

namespace Litestream.Storage.S3.Oss;

/// <summary>Where a bucket is reached.</summary>
/// <param name="Region">Region as it is signed, without <c>oss-</c>.</param>
/// <param name="Root">Scheme, host and port; the bucket in front of the host unless that is an address.</param>
/// <param name="Prefix">What stands before each key in the path: a slash, or the bucket between two.</param>
internal sealed record OssEndpoint(string Region, string Root, string Prefix)
{
    private static readonly UriCreationOptions Verbatim = new() { DangerousDisablePathAndQueryCanonicalization = true };

    /// <summary>Reads the settings.</summary>
    /// <exception cref="ReplicaException">The endpoint is no address of a server.</exception>
    public static OssEndpoint Of(OssOptions options)
    {
        string region = options.Region.StartsWith("oss-", StringComparison.Ordinal) ? options.Region[4..] : options.Region;
        string text = options.Endpoint.Length == 0 ? $"oss-{region}.aliyuncs.com" : options.Endpoint;
        if (!Uri.TryCreate(text.Contains("://", StringComparison.Ordinal) ? text : "https://" + text, UriKind.Absolute, out Uri? uri)
            || uri.Scheme is not ("http" or "https") || uri.UserInfo.Length > 0 || uri.PathAndQuery != "/")
        {
            throw new ReplicaException($"oss: endpoint {text} must be a host or an http(s) URL without a path", isTransient: false);
        }

        bool isAddress = IPAddress.TryParse(uri.Host.Trim('[', ']'), out _) || uri.Host == "localhost";
        return isAddress
            ? new OssEndpoint(region, $"{uri.Scheme}://{uri.Authority}", $"/{options.Bucket}/")
            : new OssEndpoint(region, $"{uri.Scheme}://{options.Bucket}.{uri.Authority}", "/");
    }

    /// <summary>Address of a key, byte for byte as it is signed: neither <c>//</c> nor <c>/./</c> is rewritten (trap T3).</summary>
    /// <param name="key">Key; empty for the bucket.</param>
    /// <param name="query">Escaped query; may be empty.</param>
    public Uri Address(string key, string query) =>
        new(Root + Prefix + PercentEncoding.Path(key) + (query.Length > 0 ? "?" + query : ""), Verbatim);
}
