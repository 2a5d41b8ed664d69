using System.Net;
using System.Xml;

namespace Litestream.Storage.S3;

/// <summary>What an S3 server says about a failure.</summary>
/// <param name="Status">Status of the answer.</param>
/// <param name="Code">The server's code, e.g. <c>NoSuchKey</c>; empty where it sends none (HEAD).</param>
/// <param name="Message">The server's words; may be empty.</param>
/// <param name="Region">Region of the bucket, where the server tells; else empty.</param>
/// <param name="ServerTime">The server's clock; null if it does not say.</param>
internal sealed record S3Error(HttpStatusCode Status, string Code, string Message, string Region = "", DateTimeOffset? ServerTime = null)
{
    private const int MaxMessage = 500;

    private static readonly HashSet<string> TransientCodes =
    [
        "SlowDown", "RequestLimitExceeded", "RequestTimeout", "RequestTimeoutException", "RequestCanceled", "InternalError", "ServiceUnavailable",
        "BandwidthLimitExceeded", "TooManyRequests", "TooManyRequestsException", "PriorRequestNotComplete", "OperationAborted", "BadDigest",
        "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch",
    ];

    /// <summary>Whether another attempt may succeed (backends §2, trap T15).</summary>
    public bool IsTransient => Transport.HttpTransport.IsTransient(Status) || IsTransientCode(Code);

    /// <summary>Whether a code is worth another attempt.</summary>
    public static bool IsTransientCode(string code) => TransientCodes.Contains(code) || code.StartsWith("Throttl", StringComparison.Ordinal);

    /// <summary>Whether it asks to slow down.</summary>
    public bool IsThrottling =>
        Status is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable || Code is "SlowDown" or "RequestLimitExceeded"
        || Code.StartsWith("Throttl", StringComparison.Ordinal);

    /// <summary>Reads the error document of an answer; anything else becomes the message.</summary>
    public static S3Error Parse(HttpResponseMessage response, ReadOnlyMemory<byte> body)
    {
        var error = new S3Error(response.StatusCode, "", "", Header(response, "x-amz-bucket-region"), response.Headers.Date);
        try
        {
            string root = XmlAnswer.Walk(body, (parent, name, text) => error = (parent, name) switch
            {
                ("Error", "Code") => error with { Code = text },
                ("Error", "Message") => error with { Message = Shorten(text) },
                ("Error", "Region") when error.Region.Length == 0 => error with { Region = text },
                ("Error", "ServerTime") => error with { ServerTime = Transport.HeaderTime.Parse(text) ?? error.ServerTime },
                _ => error,
            });
            return root == "Error" || body.IsEmpty ? error : error with { Message = Shorten(System.Text.Encoding.UTF8.GetString(body.Span)) };
        }
        catch (XmlException)
        {
            return error with { Message = Shorten(System.Text.Encoding.UTF8.GetString(body.Span)) };
        }
    }

    /// <summary>What the user can do about it; empty if nothing is known.</summary>
    /// <param name="bucket">Name of the bucket.</param>
    /// <param name="region">Region of the signature.</param>
    /// <param name="now">Our clock.</param>
    public string Advice(string bucket, string region, DateTimeOffset now) => Code switch
    {
        "NoSuchBucket" => $"bucket {bucket} does not exist there: create it, or check bucket, region and endpoint",
        "InvalidAccessKeyId" => "the store does not know the access key: check access-key-id and endpoint",
        "SignatureDoesNotMatch" => "check access-key-id, secret-access-key and region, and that nothing on the way rewrites requests",
        "RequestTimeTooSkewed" => $"the clocks differ: here it is {Transport.HeaderTime.Format(now)}, at the store {(ServerTime is { } time ? Transport.HeaderTime.Format(time) : "unknown")}: correct the clock of this machine",
        "ExpiredToken" or "InvalidToken" or "TokenRefreshRequired" => "the session token is no longer valid: renew the credentials",
        "AuthorizationHeaderMalformed" or "PermanentRedirect" or "IllegalLocationConstraintException" or "TemporaryRedirect" => RegionAdvice(bucket, region),
        "NotImplemented" => "the store lacks this function",
        _ => Status switch
        {
            HttpStatusCode.Moved or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect => RegionAdvice(bucket, region),
            HttpStatusCode.Forbidden => $"check the access key and its rights on bucket {bucket} (list, get, put, delete)",
            HttpStatusCode.NotFound when Code.Length == 0 => $"check bucket {bucket} and endpoint",
            _ => "",
        },
    };

    private string RegionAdvice(string bucket, string region) =>
        Region.Length > 0 && Region != region ? $"bucket {bucket} is in region {Region}, not {region}: set region: {Region}" : $"check region ({region}) and endpoint of bucket {bucket}";

    private static string Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : "";

    private static string Shorten(string text) => text.Length <= MaxMessage ? text : text[..MaxMessage] + "…";
}
