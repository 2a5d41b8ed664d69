using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Litestream.Storage.S3;

/// <summary>Signature version 4 of AWS, for S3: the path is signed exactly as it is sent, nothing is encoded twice or normalised (trap T3).</summary>
internal static class SigV4
{
    /// <summary>Hash of an empty body.</summary>
    public const string EmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// <summary>What stands in place of a hash where bodies are not signed.</summary>
    public const string UnsignedPayload = "UNSIGNED-PAYLOAD";

    private const string Algorithm = "AWS4-HMAC-SHA256";

    /// <summary>Value of the <c>x-amz-date</c> header.</summary>
    public static string FormatDate(DateTimeOffset time) => time.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);

    /// <summary>A query as it is sent and signed: encoded, sorted, every name with an equals sign.</summary>
    public static string FormatQuery(IEnumerable<(string Name, string Value)> query) => string.Join(
        '&',
        query.Select(pair => (Name: PercentEncoding.Query(pair.Name), Value: PercentEncoding.Query(pair.Value)))
            .OrderBy(pair => pair.Name, StringComparer.Ordinal).ThenBy(pair => pair.Value, StringComparer.Ordinal)
            .Select(pair => $"{pair.Name}={pair.Value}"));

    /// <summary>Value of the <c>Authorization</c> header.</summary>
    /// <param name="method">Method.</param>
    /// <param name="path">Path as sent.</param>
    /// <param name="query">Query as sent, of <see cref="FormatQuery"/>.</param>
    /// <param name="headers">Headers to sign, with <c>host</c> and <c>x-amz-date</c>.</param>
    /// <param name="payloadHash">Value of <c>x-amz-content-sha256</c>.</param>
    /// <param name="keys">Credentials.</param>
    /// <param name="region">Region.</param>
    /// <param name="time">Time of the request.</param>
    public static string Authorize(
        string method, string path, string query, IEnumerable<(string Name, string Value)> headers, string payloadHash, AwsKeys keys, string region, DateTimeOffset time)
    {
        (string Name, string Value)[] sorted =
            [.. headers.Select(h => (h.Name.ToLowerInvariant(), Collapse(h.Value))).OrderBy(h => h.Item1, StringComparer.Ordinal)];
        string names = string.Join(';', sorted.Select(h => h.Name));
        var canonical = new StringBuilder();
        canonical.Append(method).Append('\n').Append(path).Append('\n').Append(query).Append('\n');
        foreach ((string name, string value) in sorted)
        {
            canonical.Append(name).Append(':').Append(value).Append('\n');
        }

        canonical.Append('\n').Append(names).Append('\n').Append(payloadHash);
        string stamp = FormatDate(time);
        string scope = $"{stamp[..8]}/{region}/s3/aws4_request";
        string toSign = $"{Algorithm}\n{stamp}\n{scope}\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical.ToString())))}";
        byte[] key = Encoding.UTF8.GetBytes("AWS4" + keys.SecretAccessKey);
        foreach (string part in scope.Split('/'))
        {
            key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        }

        string signature = Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(toSign)));
        return $"{Algorithm} Credential={keys.AccessKeyId}/{scope}, SignedHeaders={names}, Signature={signature}";
    }

    private static string Collapse(string value)
    {
        string trimmed = value.Trim();
        return trimmed.Contains("  ", StringComparison.Ordinal) ? string.Join(' ', trimmed.Split(' ', StringSplitOptions.RemoveEmptyEntries)) : trimmed;
    }
}
