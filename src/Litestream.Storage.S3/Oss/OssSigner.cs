using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Litestream.Storage.S3.Oss;

/// <summary>
/// Signature version 4 of OSS: headers <c>content-type</c>, <c>content-md5</c> and <c>x-oss-*</c> are signed, the body is not (OSS offers no
/// signed payload; uploads are checked by their CRC-64 instead).
/// </summary>
/// <param name="keyId">Key id.</param>
/// <param name="secret">Its secret.</param>
/// <param name="token">Session token of temporary keys; null for others (trap T32).</param>
/// <param name="region">Region without <c>oss-</c>.</param>
internal sealed class OssSigner(string keyId, string secret, string? token, string region)
{
    private const string Unsigned = "UNSIGNED-PAYLOAD";

    /// <summary>Adds date, token and authorization to a request.</summary>
    /// <param name="request">The request with all its other headers.</param>
    /// <param name="resource">Slash, bucket, slash, key; not escaped.</param>
    /// <param name="query">Parameters, not escaped.</param>
    /// <param name="now">Time of the request.</param>
    public void Sign(HttpRequestMessage request, string resource, IEnumerable<KeyValuePair<string, string>> query, DateTimeOffset now)
    {
        request.Headers.Add("x-oss-content-sha256", Unsigned);
        request.Headers.Add("x-oss-date", Timestamp(now));
        if (token is not null)
        {
            request.Headers.Add("x-oss-security-token", token);
        }

        var headers = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach ((string name, IEnumerable<string> values) in request.Headers.Concat(request.Content?.Headers.AsEnumerable() ?? []))
        {
            headers[name.ToLowerInvariant()] = string.Join(',', values);
        }

        request.Headers.TryAddWithoutValidation("Authorization", Authorize(request.Method.Method, resource, query, headers, now));
    }

    /// <summary>Value of the <c>Authorization</c> header.</summary>
    /// <param name="method">E.g. <c>PUT</c>.</param>
    /// <param name="resource">Slash, bucket, slash, key; not escaped.</param>
    /// <param name="query">Parameters, not escaped.</param>
    /// <param name="headers">All headers with lower-case names, sorted.</param>
    /// <param name="now">Time of the request; equal to <c>x-oss-date</c>.</param>
    internal string Authorize(
        string method, string resource, IEnumerable<KeyValuePair<string, string>> query, SortedDictionary<string, string> headers, DateTimeOffset now)
    {
        var canonical = new StringBuilder(method).Append('\n').Append(PercentEncoding.Path(resource)).Append('\n').Append(Query(query)).Append('\n');
        foreach ((string name, string value) in headers)
        {
            if (name is "content-type" or "content-md5" || name.StartsWith("x-oss-", StringComparison.Ordinal))
            {
                canonical.Append(name).Append(':').Append(value.Trim()).Append('\n');
            }
        }

        canonical.Append("\n\n").Append(Unsigned); // An empty line: no additional headers are signed.

        string timestamp = Timestamp(now);
        string date = timestamp[..8];
        string scope = $"{date}/{region}/oss/aliyun_v4_request";
        string digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical.ToString())));
        byte[] key = Encoding.UTF8.GetBytes("aliyun_v4" + secret);
        foreach (string part in (string[])[date, region, "oss", "aliyun_v4_request"])
        {
            key = Hmac(key, part);
        }

        string signature = Convert.ToHexStringLower(Hmac(key, $"OSS4-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}"));
        return $"OSS4-HMAC-SHA256 Credential={keyId}/{scope},Signature={signature}";
    }

    /// <summary>A query as it is sent and signed: escaped, sorted, a parameter without a value without its sign.</summary>
    internal static string Query(IEnumerable<KeyValuePair<string, string>> query) =>
        string.Join('&', query
            .Select(pair => (Name: PercentEncoding.Query(pair.Key), Value: PercentEncoding.Query(pair.Value)))
            .OrderBy(pair => pair.Name, StringComparer.Ordinal)
            .Select(pair => pair.Value.Length > 0 ? $"{pair.Name}={pair.Value}" : pair.Name));

    private static byte[] Hmac(byte[] key, string text) => HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text));

    private static string Timestamp(DateTimeOffset now) => now.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
}
