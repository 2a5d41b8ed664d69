using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Litestream.TestKit.Servers;

namespace Litestream.Backends.Tests.Oss;

/// <summary>
/// A small OSS: there is no emulator. It checks signatures by itself, from what came over the wire, and behaves as the service is documented
/// to: names without a leading slash, 100 keys a page unless asked, url-encoded lists, whole objects for impossible ranges without
/// <c>x-oss-range-behavior</c>, a reported CRC-64, parts of at least 100 KiB.
/// </summary>
internal sealed partial class OssStub : IAsyncDisposable
{
    public const string KeyId = "LTAIexample";
    public const string Secret = "example secret/+=";
    public const string Bucket = "test";

    private readonly Lock _gate = new();
    private readonly RecordingHttpServer _server;
    private readonly Dictionary<string, (string Key, string? Time, SortedDictionary<int, byte[]> Parts)> _uploads = [];
    private int _uploadNumber;

    public OssStub() => _server = new RecordingHttpServer(Answer);

    public SortedDictionary<string, (byte[] Content, string? Time)> Objects { get; } = new(StringComparer.Ordinal);

    /// <summary>Answers instead of the store where it does not return null.</summary>
    public Func<RecordedRequest, CannedAnswer?> Intercept { get; set; } = _ => null;

    /// <summary>Expected session token; null = none.</summary>
    public string? Token { get; set; }

    public int Port => _server.Port;

    public string Endpoint => $"http://127.0.0.1:{Port}";

    public IReadOnlyList<RecordedRequest> Requests => _server.Requests;

    public int OpenUploads
    {
        get
        {
            lock (_gate)
            {
                return _uploads.Count;
            }
        }
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    /// <summary>The request carried out, whatever <see cref="Intercept"/> says.</summary>
    public CannedAnswer Carry(RecordedRequest request)
    {
        if (SignatureDefect(request) is { } defect)
        {
            return Error(403, "SignatureDoesNotMatch", defect);
        }

        string[] path = request.Path.Split('/', 3);
        string key = path.Length > 2 ? Uri.UnescapeDataString(path[2]) : "";
        Dictionary<string, string> query = Parameters(request);
        lock (_gate)
        {
            return path[1] != Bucket ? Error(404, "NoSuchBucket", path[1])
                : key.StartsWith('/') ? Error(400, "InvalidObjectName", key)
                : (request.Method, key) switch
                {
                    ("GET", "") => List(query),
                    ("POST", "") => DeleteMany(request),
                    ("POST", _) when query.ContainsKey("uploads") => Initiate(request, key),
                    ("POST", _) => Complete(request, query["uploadId"]),
                    ("PUT", _) when query.TryGetValue("uploadId", out string? upload) => PutPart(request, upload, query["partNumber"]),
                    ("PUT", _) => Put(request, key),
                    ("DELETE", _) => Abort(query["uploadId"]),
                    ("GET" or "HEAD", _) => Get(request, key),
                    _ => Error(405, "MethodNotAllowed", request.Method),
                };
        }
    }

    public static CannedAnswer Error(int status, string code, string message) =>
        CannedAnswer.Text(
            status, $"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{WebUtility.HtmlEncode(message)}</Message></Error>",
            ("Content-Type", "application/xml"));

    private CannedAnswer Answer(RecordedRequest request) => Intercept(request) ?? Carry(request);

    private string? SignatureDefect(RecordedRequest request)
    {
        Match match = Authorization().Match(request["Authorization"] ?? "");
        string date = request["x-oss-date"] ?? "";
        if (!match.Success || match.Groups["id"].Value != KeyId || match.Groups["region"].Value != "cn-hangzhou" || !date.StartsWith(match.Groups["date"].Value + "T", StringComparison.Ordinal))
        {
            return $"authorization {request["Authorization"]}, date {date}";
        }

        if (request["x-oss-security-token"] != Token)
        {
            return "wrong token";
        }

        IEnumerable<string> headers = request.Headers
            .Select(header => (Name: header.Name.ToLowerInvariant(), header.Value))
            .Where(header => header.Name.StartsWith("x-oss-", StringComparison.Ordinal) || header.Name is "content-md5" or "content-type")
            .OrderBy(header => header.Name, StringComparer.Ordinal)
            .Select(header => $"{header.Name}:{header.Value}\n");
        IEnumerable<string> query = request.Query.Split('&', StringSplitOptions.RemoveEmptyEntries)
            .Select(parameter => parameter.Split('=', 2).Select(part => Uri.EscapeDataString(Uri.UnescapeDataString(part))).ToArray())
            .OrderBy(pair => pair[0], StringComparer.Ordinal)
            .Select(pair => pair.Length == 1 || pair[1].Length == 0 ? pair[0] : $"{pair[0]}={pair[1]}");
        string resource = string.Join('/', request.Path.Split('/').Select(segment => Uri.EscapeDataString(Uri.UnescapeDataString(segment))));
        string canonical = $"{request.Method}\n{resource}\n{string.Join('&', query)}\n{string.Concat(headers)}\n\n{request["x-oss-content-sha256"]}";
        string scope = $"{match.Groups["date"].Value}/cn-hangzhou/oss/aliyun_v4_request";
        string toSign = $"OSS4-HMAC-SHA256\n{date}\n{scope}\n{Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(canonical))).ToLowerInvariant()}";
        byte[] key = scope.Split('/').Aggregate(Encoding.UTF8.GetBytes("aliyun_v4" + Secret), (k, part) => HMACSHA256.HashData(k, Encoding.UTF8.GetBytes(part)));
        return Convert.ToHexString(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(toSign))).Equals(match.Groups["signature"].Value, StringComparison.OrdinalIgnoreCase)
            ? null
            : $"signed here: {canonical}";
    }

    private CannedAnswer List(Dictionary<string, string> query)
    {
        string prefix = query.GetValueOrDefault("prefix", "");
        string after = query.TryGetValue("continuation-token", out string? token) ? Encoding.UTF8.GetString(Convert.FromBase64String(token)) : query.GetValueOrDefault("start-after", "");
        int size = int.Parse(query.GetValueOrDefault("max-keys", "100"), CultureInfo.InvariantCulture);
        string[] keys = [.. Objects.Keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal) && string.CompareOrdinal(key, after) > 0).Take(size + 1)];
        bool more = keys.Length > size;
        var list = new XElement(
            "ListBucketResult", new XElement("Name", Bucket), new XElement("EncodingType", "url"), new XElement("KeyCount", Math.Min(size, keys.Length)),
            keys.Take(size).Select(key => new XElement(
                "Contents", new XElement("Key", Uri.EscapeDataString(key)), new XElement("LastModified", "2026-11-01T00:00:00.000Z"),
                new XElement("ETag", "\"e\""), new XElement("Size", Objects[key].Content.Length))),
            new XElement("IsTruncated", more ? "true" : "false"),
            more ? new XElement("NextContinuationToken", Uri.EscapeDataString(Convert.ToBase64String(Encoding.UTF8.GetBytes(keys[size - 1])))) : null);
        return CannedAnswer.Text(200, list.ToString(), ("Content-Type", "application/xml"));
    }

    private CannedAnswer DeleteMany(RecordedRequest request)
    {
#pragma warning disable CA5351 // The service demands it.
        if (request["Content-MD5"] != Convert.ToBase64String(MD5.HashData(request.Body)))
#pragma warning restore CA5351
        {
            return Error(400, "InvalidDigest", "Content-MD5");
        }

        string[] keys = [.. XDocument.Parse(request.Text).Descendants("Key").Select(key => key.Value)];
        if (keys.Length > 1000)
        {
            return Error(400, "MalformedXML", "too many");
        }

        foreach (string key in keys)
        {
            Objects.Remove(key);
        }

        var result = new XElement(
            "DeleteResult", new XElement("EncodingType", "url"),
            keys.Select(key => new XElement("Deleted", new XElement("Key", Uri.EscapeDataString(key)))));
        return CannedAnswer.Text(200, result.ToString());
    }

    private CannedAnswer Put(RecordedRequest request, string key)
    {
        if (request["x-oss-forbid-overwrite"] == "true" && Objects.ContainsKey(key))
        {
            return Error(409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten.");
        }

        Objects[key] = (request.Body, request["x-oss-meta-litestream-timestamp"]);
        return new CannedAnswer(200, Headers: [("ETag", "\"e\""), ("x-oss-hash-crc64ecma", Crc(request.Body))]);
    }

    private CannedAnswer Initiate(RecordedRequest request, string key)
    {
        if (request["x-oss-forbid-overwrite"] == "true" && Objects.ContainsKey(key))
        {
            return Error(409, "FileAlreadyExists", "exists");
        }

        string upload = $"UP/{++_uploadNumber}+=";
        _uploads[upload] = (key, request["x-oss-meta-litestream-timestamp"], []);
        return CannedAnswer.Text(200, $"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>");
    }

    private CannedAnswer PutPart(RecordedRequest request, string upload, string number)
    {
        if (!_uploads.TryGetValue(upload, out (string Key, string? Time, SortedDictionary<int, byte[]> Parts) entry))
        {
            return Error(404, "NoSuchUpload", upload);
        }

        entry.Parts[int.Parse(number, CultureInfo.InvariantCulture)] = request.Body;
        return new CannedAnswer(200, Headers: [("ETag", $"\"p{number}\""), ("x-oss-hash-crc64ecma", Crc(request.Body))]);
    }

    private CannedAnswer Complete(RecordedRequest request, string upload)
    {
        if (!_uploads.TryGetValue(upload, out (string Key, string? Time, SortedDictionary<int, byte[]> Parts) entry))
        {
            return Error(404, "NoSuchUpload", upload);
        }

        if (request["x-oss-forbid-overwrite"] == "true" && Objects.ContainsKey(entry.Key))
        {
            return Error(409, "FileAlreadyExists", "exists");
        }

        (int Number, string Tag)[] parts =
            [.. XDocument.Parse(request.Text).Descendants("Part").Select(part => (int.Parse(part.Element("PartNumber")!.Value, CultureInfo.InvariantCulture), part.Element("ETag")!.Value))];
        if (parts.Any(part => !entry.Parts.ContainsKey(part.Number) || part.Tag != $"\"p{part.Number}\"") || !parts.SequenceEqual(parts.OrderBy(part => part.Number)))
        {
            return Error(400, "InvalidPart", "parts");
        }

        if (parts.SkipLast(1).Any(part => entry.Parts[part.Number].Length < 100 << 10))
        {
            return Error(400, "EntityTooSmall", "parts");
        }

        Objects[entry.Key] = ([.. parts.SelectMany(part => entry.Parts[part.Number])], entry.Time);
        _uploads.Remove(upload);
        return CannedAnswer.Text(200, "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>");
    }

    private CannedAnswer Abort(string upload) => _uploads.Remove(upload) ? new CannedAnswer(204) : Error(404, "NoSuchUpload", upload);

    private CannedAnswer Get(RecordedRequest request, string key)
    {
        if (!Objects.TryGetValue(key, out (byte[] Content, string? Time) entry))
        {
            return request.Method == "HEAD" ? new CannedAnswer(404) : Error(404, "NoSuchKey", key);
        }

        List<(string Name, string Value)> headers = [("ETag", "\"e\"")];
        if (entry.Time is not null)
        {
            headers.Add(("x-oss-meta-litestream-timestamp", entry.Time));
        }

        Match range = Range().Match(request["Range"] ?? "");
        if (!range.Success)
        {
            return new CannedAnswer(200, entry.Content, headers);
        }

        long first = long.Parse(range.Groups["first"].Value, CultureInfo.InvariantCulture);
        long last = range.Groups["last"].Length == 0 ? entry.Content.Length - 1 : long.Parse(range.Groups["last"].Value, CultureInfo.InvariantCulture);
        bool standard = request["x-oss-range-behavior"] == "standard";
        if (first >= entry.Content.Length || (last >= entry.Content.Length && !standard))
        {
            return standard ? Error(416, "InvalidRange", "range") : new CannedAnswer(200, entry.Content, headers);
        }

        return new CannedAnswer(206, entry.Content[(int)first..(int)(Math.Min(last, entry.Content.Length - 1) + 1)], headers);
    }

    private static Dictionary<string, string> Parameters(RecordedRequest request) =>
        request.Query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(parameter => parameter.Split('=', 2))
            .ToDictionary(pair => Uri.UnescapeDataString(pair[0]), pair => pair.Length > 1 ? Uri.UnescapeDataString(pair[1]) : "");

    /// <summary>Bit by bit, so that a wrong table in the product does not agree with it.</summary>
    private static string Crc(byte[] bytes)
    {
        ulong crc = ulong.MaxValue;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int i = 0; i < 8; i++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * 0xC96C5795D7870F42);
            }
        }

        return (~crc).ToString(CultureInfo.InvariantCulture);
    }

    [GeneratedRegex("^OSS4-HMAC-SHA256 Credential=(?<id>[^/]+)/(?<date>[0-9]{8})/(?<region>[^/]+)/oss/aliyun_v4_request,Signature=(?<signature>[0-9a-f]{64})$")]
    private static partial Regex Authorization();

    [GeneratedRegex("^bytes=(?<first>[0-9]+)-(?<last>[0-9]*)$")]
    private static partial Regex Range();
}
