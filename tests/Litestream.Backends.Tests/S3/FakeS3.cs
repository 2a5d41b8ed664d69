using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;

namespace Litestream.Backends.Tests.S3;

/// <summary>
/// Enough of S3 in memory to record what a client sends and to fail on demand. It verifies no signature: real servers do that.
/// </summary>
internal sealed partial class FakeS3 : IAsyncDisposable
{
    private const string Ok = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

    private readonly ConcurrentDictionary<string, (byte[] Body, IReadOnlyList<(string Name, string Value)> Meta)> _objects = new();
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<int, byte[]>> _uploads = new();
    private readonly ConcurrentDictionary<string, IReadOnlyList<(string Name, string Value)>> _uploadMeta = new();
    private int _uploadIds;

    public FakeS3(Func<RecordedRequest, CannedAnswer?>? intercept = null) => Server = new RecordingHttpServer(request => intercept?.Invoke(request) ?? Answer(request));

    public RecordingHttpServer Server { get; }

    public IReadOnlyList<RecordedRequest> Requests => Server.Requests;

    /// <summary>Objects by path (bucket included, decoded).</summary>
    public IReadOnlyDictionary<string, byte[]> Objects => _objects.ToDictionary(o => o.Key, o => o.Value.Body);

    /// <summary>Uploads in parts that were neither completed nor aborted.</summary>
    public int OpenUploads => _uploads.Count;

    public S3Options Options => new()
    {
        Bucket = "test", Path = "db", Endpoint = $"http://127.0.0.1:{Server.Port}", AccessKeyId = "key-of-tests", SecretAccessKey = "secret-of-tests",
    };

    public static StorageTransport CreateTransport(
        int attempts = 10, Func<string, string?>? variables = null, int maxConnections = 32, Microsoft.Extensions.Logging.ILogger? logger = null) =>
        new(new TransportOptions
        {
            Retry = new RetryOptions(attempts, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(2)),
            GetVariable = variables ?? (_ => null),
            MaxConnections = maxConnections,
            Logger = logger ?? Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance,
        });

    public static CannedAnswer Error(int status, string code, string extra = "") =>
        CannedAnswer.Text(status, $"{Ok}<Error><Code>{code}</Code><Message>said by the test</Message>{extra}</Error>", ("Content-Type", "application/xml"));

    /// <summary>Stores an object as another program would.</summary>
    public void Put(string path, byte[] body, params (string Name, string Value)[] meta) => _objects[path] = (body, meta);

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    /// <summary>Writes one file of a size.</summary>
    public static ValueTask<LtxFileInfo> WriteAsync(
        S3ReplicaClient client, ulong txid = 1, int size = 300, WriteMode mode = WriteMode.Overwrite, int seed = 0, CancellationToken cancellationToken = default) =>
        client.WriteAsync(0, new Txid(txid), new Txid(txid), new MemoryStream(LtxSample.Create(txid, txid, size, seed: seed)), mode, cancellationToken);

    public static async Task<List<LtxFileInfo>> ListAsync(S3ReplicaClient client, int level = 0, bool accurate = false, ulong seek = 0)
    {
        List<LtxFileInfo> files = [];
        await foreach (LtxFileInfo file in client.ListAsync(level, new Txid(seek), accurate, CancellationToken.None))
        {
            files.Add(file);
        }

        return files;
    }

    public CannedAnswer Answer(RecordedRequest request)
    {
        string path = Uri.UnescapeDataString(request.Path)[1..];
        Dictionary<string, string> query = request.Query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=', 2))
            .ToDictionary(pair => pair[0], pair => Uri.UnescapeDataString(pair[1]));
        return (request.Method, query) switch
        {
            ("GET", _) when query.ContainsKey("list-type") => List(path, query),
            ("POST", _) when query.ContainsKey("delete") => Delete(path, request),
            ("POST", _) when query.ContainsKey("uploads") => Initiate(path, request),
            ("PUT", _) when query.TryGetValue("partNumber", out string? number) => Part(query["uploadId"], int.Parse(number, CultureInfo.InvariantCulture), request),
            ("POST", _) when query.TryGetValue("uploadId", out string? id) => Complete(path, id, request),
            ("DELETE", _) when query.TryGetValue("uploadId", out string? id) => _uploads.TryRemove(id, out _) ? new CannedAnswer(204) : Error(404, "NoSuchUpload"),
            ("PUT", _) => Store(path, request),
            ("GET" or "HEAD", _) => Read(path, request),
            _ => Error(501, "NotImplemented"),
        };
    }

    private CannedAnswer Store(string path, RecordedRequest request)
    {
        if (request["If-None-Match"] == "*" && _objects.ContainsKey(path))
        {
            return Error(412, "PreconditionFailed");
        }

        _objects[path] = (request.Body, Meta(request));
        return new CannedAnswer(200, Headers: [("ETag", "\"tag\"")]);
    }

    private CannedAnswer Read(string path, RecordedRequest request)
    {
        if (!_objects.TryGetValue(path, out (byte[] Body, IReadOnlyList<(string Name, string Value)> Meta) stored))
        {
            return Error(404, "NoSuchKey");
        }

        (string, string)[] headers = [.. stored.Meta, ("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT"), ("ETag", "\"tag\"")];
        Match range = RangePattern().Match(request["Range"] ?? "");
        if (!range.Success)
        {
            return new CannedAnswer(200, stored.Body, headers);
        }

        int from = int.Parse(range.Groups[1].Value, CultureInfo.InvariantCulture);
        int to = range.Groups[2].Length > 0 ? (int)Math.Min(long.Parse(range.Groups[2].Value, CultureInfo.InvariantCulture), stored.Body.Length - 1) : stored.Body.Length - 1;
        return from >= stored.Body.Length
            ? Error(416, "InvalidRange")
            : new CannedAnswer(206, stored.Body[from..(to + 1)], [.. headers, ("Content-Range", $"bytes {from}-{to}/{stored.Body.Length}")]);
    }

    private CannedAnswer List(string bucket, Dictionary<string, string> query)
    {
        string prefix = query["prefix"];
        string after = query.GetValueOrDefault("continuation-token") ?? query.GetValueOrDefault("start-after") ?? "";
        string[] keys =
        [
            .. _objects.Keys.Where(path => path.StartsWith(bucket + "/", StringComparison.Ordinal)).Select(path => path[(bucket.Length + 1)..])
                .Where(key => key.StartsWith(prefix, StringComparison.Ordinal) && string.CompareOrdinal(key, after) > 0).Order(StringComparer.Ordinal),
        ];
        var xml = new StringBuilder(Ok + "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        foreach (string key in keys.Take(1000))
        {
            xml.Append(CultureInfo.InvariantCulture, $"<Contents><Key>{System.Security.SecurityElement.Escape(key)}</Key><LastModified>2025-01-01T00:00:00.000Z</LastModified>")
                .Append(CultureInfo.InvariantCulture, $"<Size>{_objects[$"{bucket}/{key}"].Body.Length}</Size><Owner><ID>x</ID></Owner></Contents>");
        }

        if (keys.Length > 1000)
        {
            xml.Append(CultureInfo.InvariantCulture, $"<IsTruncated>true</IsTruncated><NextContinuationToken>{keys[999]}</NextContinuationToken>");
        }

        return CannedAnswer.Text(200, xml.Append("</ListBucketResult>").ToString());
    }

    private CannedAnswer Delete(string bucket, RecordedRequest request)
    {
        var xml = new StringBuilder(Ok + "<DeleteResult>");
        foreach (Match key in KeyPattern().Matches(request.Text))
        {
            _objects.TryRemove($"{bucket}/{System.Net.WebUtility.HtmlDecode(key.Groups[1].Value)}", out _);
            xml.Append(CultureInfo.InvariantCulture, $"<Deleted><Key>{key.Groups[1].Value}</Key></Deleted>");
        }

        return CannedAnswer.Text(200, xml.Append("</DeleteResult>").ToString());
    }

    private CannedAnswer Initiate(string path, RecordedRequest request)
    {
        string id = $"upload/{Interlocked.Increment(ref _uploadIds)}+{path.Length}";
        _uploads[id] = new ConcurrentDictionary<int, byte[]>();
        _uploadMeta[id] = Meta(request);
        return CannedAnswer.Text(200, $"{Ok}<InitiateMultipartUploadResult><Key>x</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
    }

    private CannedAnswer Part(string id, int number, RecordedRequest request)
    {
        if (!_uploads.TryGetValue(id, out ConcurrentDictionary<int, byte[]>? parts))
        {
            return Error(404, "NoSuchUpload");
        }

        parts[number] = request.Body;
        return new CannedAnswer(200, Headers: [("ETag", $"\"part{number}\"")]);
    }

    private CannedAnswer Complete(string path, string id, RecordedRequest request)
    {
        if (request["If-None-Match"] == "*" && _objects.ContainsKey(path))
        {
            return Error(412, "PreconditionFailed");
        }

        if (!_uploads.TryRemove(id, out ConcurrentDictionary<int, byte[]>? parts))
        {
            return Error(404, "NoSuchUpload");
        }

        _objects[path] = ([.. parts.OrderBy(part => part.Key).SelectMany(part => part.Value)], _uploadMeta[id]);
        return CannedAnswer.Text(200, $"{Ok}\n\n<CompleteMultipartUploadResult><Location>x</Location><ETag></ETag></CompleteMultipartUploadResult>");
    }

    private static (string, string)[] Meta(RecordedRequest request) =>
        [.. request.Headers.Where(h => h.Name.StartsWith("x-amz-meta-", StringComparison.OrdinalIgnoreCase))];

    [GeneratedRegex("^bytes=([0-9]+)-([0-9]*)$")]
    private static partial Regex RangePattern();

    [GeneratedRegex("<Key>(.*?)</Key>", RegexOptions.Singleline)]
    private static partial Regex KeyPattern();
}
