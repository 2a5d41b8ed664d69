using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Litestream.Storage.Transport;

namespace Litestream.Storage.S3.Oss;

/// <summary>The operations of OSS that a replica needs, each with its retries. <c>what</c> names the request and its object in messages.</summary>
internal sealed class OssApi(OssOptions options, OssEndpoint endpoint, OssSigner signer, HttpTransport http)
{
    private const string TimeHeader = "x-oss-meta-litestream-timestamp";

    private static readonly KeyValuePair<string, string> UrlEncoding = new("encoding-type", "url");

    /// <summary>Retries and limits.</summary>
    public HttpTransport Http => http;

    /// <summary>A key for messages.</summary>
    public string Name(string key) => $"oss://{options.Bucket}/{key}";

    /// <summary>One page of the keys below a prefix.</summary>
    /// <param name="prefix">Begin of the keys.</param>
    /// <param name="startAfter">Only keys behind this one; null = all.</param>
    /// <param name="token">Of the page before; null for the first.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async ValueTask<ObjectListing> ListAsync(string prefix, string? startAfter, string? token, CancellationToken cancellationToken)
    {
        List<KeyValuePair<string, string>> query = [new("list-type", "2"), UrlEncoding, new("max-keys", "1000"), new("prefix", prefix)];
        if (startAfter is not null)
        {
            query.Add(new("start-after", startAfter));
        }

        if (token is not null)
        {
            query.Add(new("continuation-token", token));
        }

        string what = $"list {Name(prefix)}";
        ReplicaMetrics.Count("oss", "LIST");
        ObjectListing page = await SendAsync(
            what, HttpMethod.Get, "", query, null, null,
            (response, cancel) => OssAnswer.ReadAsync(what, response, ObjectListing.Parse, cancel), cancellationToken).ConfigureAwait(false);
        string? next = page.NextToken is null ? null : OssAnswer.Decode(page.NextToken);
        if (next is not null && next == token)
        {
            throw new ReplicaException($"{what}: the server answers with the same page again and again", isTransient: true);
        }

        return page with { Objects = [.. page.Objects.Select(item => item with { Key = OssAnswer.Decode(item.Key) })], NextToken = next };
    }

    /// <summary>Time kept beside an object. Not there: Exists is false; there without one: Time is null.</summary>
    public ValueTask<(bool Exists, DateTimeOffset? Time)> HeadAsync(string key, CancellationToken cancellationToken)
    {
        ReplicaMetrics.Count("oss", "HEAD");
        return SendAsync(
            $"look at {Name(key)}", HttpMethod.Head, key, [], null, null,
            (response, _) => ValueTask.FromResult((
                response.StatusCode != HttpStatusCode.NotFound,
                response.Headers.TryGetValues(TimeHeader, out IEnumerable<string>? values) ? HeaderTime.Parse(values.First()) : null)),
            cancellationToken, HttpStatusCode.NotFound);
    }

    /// <summary>Opens a range of an object; <paramref name="missing"/> makes the exception if there is none.</summary>
    public ValueTask<Stream> OpenAsync(string key, long offset, long size, Func<Exception> missing, CancellationToken cancellationToken)
    {
        string what = $"read {Name(key)}";
        return http.OpenAsync(
            what,
            _ => ValueTask.FromResult(Create(HttpMethod.Get, key, [], null, request =>
            {
                if (BodyRange.Header(offset, size) is { } range)
                {
                    request.Headers.TryAddWithoutValidation("Range", range);

                    // Without it OSS answers a range behind the end with the whole object.
                    request.Headers.Add("x-oss-range-behavior", "standard");
                }
            })),
            async (response, cancel) =>
            {
                if (BodyRange.Of(response.StatusCode, offset, size) is { } range)
                {
                    ReplicaMetrics.Count("oss", "GET", range.IsEmpty ? 0 : response.Content.Headers.ContentLength ?? 0);
                    return range;
                }

                (string code, string message) = await OssAnswer.ReadErrorAsync(response, cancel).ConfigureAwait(false);
                throw code == "NoSuchKey" ? missing() : OssAnswer.Refused(http, what, response, code, message);
            },
            cancellationToken);
    }

    /// <summary>Stores an object in one request; false if it exists already and must not be replaced.</summary>
    public ValueTask<bool> PutAsync(string key, UploadPart body, DateTimeOffset time, WriteMode mode, CancellationToken cancellationToken) =>
        SendAsync(
            $"write {Name(key)}", HttpMethod.Put, key, [], body, request => AddWriteHeaders(request, time, mode),
            async (response, cancel) => await IsStoredAsync($"write {Name(key)}", response, body, cancel).ConfigureAwait(false) is not null,
            cancellationToken, HttpStatusCode.Conflict);

    /// <summary>Begins an upload in parts; null if the object exists already and must not be replaced.</summary>
    public ValueTask<string?> InitiateAsync(string key, DateTimeOffset time, WriteMode mode, CancellationToken cancellationToken)
    {
        string what = $"begin upload of {Name(key)}";
        return SendAsync(
            what, HttpMethod.Post, key, [new("uploads", ""), UrlEncoding], UploadBytes.Of(default), request => AddWriteHeaders(request, time, mode),
            async (response, cancel) =>
                await ExistsAsync(what, response, cancel).ConfigureAwait(false)
                    ? null
                    : await OssAnswer.ReadAsync(what, response, MultipartDocument.ParseUploadId, cancel).ConfigureAwait(false)
                        ?? throw new ReplicaException($"{what}: the answer has no upload id", isTransient: true),
            cancellationToken, HttpStatusCode.Conflict);
    }

    /// <summary>Sends one part and returns its entity tag.</summary>
    public ValueTask<string> PutPartAsync(string key, string upload, UploadPart part, CancellationToken cancellationToken)
    {
        string what = $"upload part {part.Number} of {Name(key)}";
        return SendAsync(
            what, HttpMethod.Put, key, [new("partNumber", part.Number.ToString(CultureInfo.InvariantCulture)), new("uploadId", upload)], part, null,
            async (response, cancel) => (await IsStoredAsync(what, response, part, cancel).ConfigureAwait(false))!, cancellationToken);
    }

    /// <summary>Puts the parts together.</summary>
    public ValueTask<OssCompletion> CompleteAsync(
        string key, string upload, IEnumerable<KeyValuePair<int, string>> tags, WriteMode mode, CancellationToken cancellationToken)
    {
        string what = $"complete upload of {Name(key)}";
        byte[] body = MultipartDocument.Complete(tags, "");
        return SendAsync(
            what, HttpMethod.Post, key, [new("uploadId", upload), UrlEncoding], UploadBytes.Of(body), request => AddWriteHeaders(request, null, mode),
            async (response, cancel) =>
            {
                if (response.StatusCode == HttpStatusCode.NotFound)
                {
                    (string code, string message) = await OssAnswer.ReadErrorAsync(response, cancel).ConfigureAwait(false);
                    return code == "NoSuchUpload" ? OssCompletion.Unknown : throw OssAnswer.Refused(http, what, response, code, message);
                }

                if (await ExistsAsync(what, response, cancel).ConfigureAwait(false))
                {
                    return OssCompletion.Exists;
                }

                // A 200 may hold an error (trap T16).
                string root = await OssAnswer.ReadAsync(what, response, xml => XmlAnswer.Walk(xml, (_, _, _) => { }), cancel).ConfigureAwait(false);
                return root == "CompleteMultipartUploadResult"
                    ? OssCompletion.Done
                    : throw new ReplicaException($"{what}: the server answers 200 with <{root}> instead of a result", isTransient: true);
            },
            cancellationToken, HttpStatusCode.NotFound, HttpStatusCode.Conflict);
    }

    /// <summary>Gives up an upload in parts; one that is not known is given up already.</summary>
    public async ValueTask AbortAsync(string key, string upload, CancellationToken cancellationToken) =>
        await SendAsync(
            $"abort upload of {Name(key)}", HttpMethod.Delete, key, [new("uploadId", upload)], null, null,
            (_, _) => ValueTask.FromResult(true), cancellationToken, HttpStatusCode.NotFound).ConfigureAwait(false);

    /// <summary>Deletes at most 1000 objects and returns the keys that the answer reports as deleted.</summary>
    public ValueTask<IReadOnlySet<string>> DeleteAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        string what = $"delete {keys.Count} objects in oss://{options.Bucket}";
        byte[] body = DeleteDocument.Create(keys, quiet: false, "");
        return SendAsync(
            what, HttpMethod.Post, "", [new("delete", ""), UrlEncoding], UploadBytes.Of(body),
            request =>
            {
                request.Content!.Headers.ContentType = new MediaTypeHeaderValue("application/xml");
#pragma warning disable CA5351 // The service demands MD5 here.
                request.Content.Headers.ContentMD5 = MD5.HashData(body);
#pragma warning restore CA5351
            },
            (response, cancel) => OssAnswer.ReadAsync(what, response, ParseDeleted, cancel), cancellationToken);
    }

    private static IReadOnlySet<string> ParseDeleted(ReadOnlyMemory<byte> xml)
    {
        var keys = new HashSet<string>(StringComparer.Ordinal);
        string root = XmlAnswer.Walk(xml, (parent, name, text) =>
        {
            if ((parent, name) == ("Deleted", "Key"))
            {
                keys.Add(OssAnswer.Decode(text));
            }
        });
        return root == "DeleteResult" ? keys : throw new FormatException($"the answer is no result of a delete but <{root}>");
    }

    private static void AddWriteHeaders(HttpRequestMessage request, DateTimeOffset? time, WriteMode mode)
    {
        if (time is { } kept)
        {
            request.Content!.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            request.Headers.Add(TimeHeader, HeaderTime.Format(kept));
        }

        if (mode == WriteMode.CreateOnly)
        {
            request.Headers.Add("x-oss-forbid-overwrite", "true");
        }
    }

    /// <summary>Entity tag of what was stored, after a look at the checksum that the store has computed; null if the object existed.</summary>
    private async ValueTask<string?> IsStoredAsync(string what, HttpResponseMessage response, UploadPart body, CancellationToken cancellationToken)
    {
        if (await ExistsAsync(what, response, cancellationToken).ConfigureAwait(false))
        {
            return null;
        }

        if (response.Headers.TryGetValues("x-oss-hash-crc64ecma", out IEnumerable<string>? values)
            && values.First() != OssCrc64.Compute(body).ToString(CultureInfo.InvariantCulture))
        {
            throw new ReplicaException($"{what}: other bytes arrived at the store than were sent (CRC-64 differs)", isTransient: true);
        }

        return response.Headers.TryGetValues("ETag", out IEnumerable<string>? tags) && tags.First() is { Length: > 0 } tag
            ? tag
            : throw new ReplicaException($"{what}: upload failed: no ETag returned", isTransient: true);
    }

    private async ValueTask<bool> ExistsAsync(string what, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.StatusCode != HttpStatusCode.Conflict)
        {
            return false;
        }

        (string code, string message) = await OssAnswer.ReadErrorAsync(response, cancellationToken).ConfigureAwait(false);
        return code == "FileAlreadyExists" ? true : throw OssAnswer.Refused(http, what, response, code, message);
    }

    private ValueTask<T> SendAsync<T>(
        string what, HttpMethod method, string key, IReadOnlyList<KeyValuePair<string, string>> query, UploadBytes? body,
        Action<HttpRequestMessage>? headers, Func<HttpResponseMessage, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken,
        params HttpStatusCode[] alsoRead) =>
        http.SendAsync(
            what,
            () => Create(method, key, query, body, headers),
            async (response, cancel) => response.IsSuccessStatusCode || alsoRead.Contains(response.StatusCode)
                ? await read(response, cancel).ConfigureAwait(false)
                : throw await OssAnswer.RefusedAsync(http, what, response, cancel).ConfigureAwait(false),
            cancellationToken);

    private HttpRequestMessage Create(
        HttpMethod method, string key, IReadOnlyList<KeyValuePair<string, string>> query, UploadBytes? body, Action<HttpRequestMessage>? headers)
    {
        var request = new HttpRequestMessage(method, endpoint.Address(key, OssSigner.Query(query)))
        {
            Content = body is { } bytes ? new UploadContent(bytes) : null,
        };
        headers?.Invoke(request);
        signer.Sign(request, $"/{options.Bucket}/{key}", query, http.Options.Time.GetUtcNow());
        return request;
    }
}
