using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Litestream.Diagnostics;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Logging;

namespace Litestream.Storage.S3;

/// <summary>Signs and sends the requests to one bucket and says in the program's words what the server refuses (backends §1.4).</summary>
/// <param name="settings">The bucket.</param>
/// <param name="credentials">Who asks.</param>
/// <param name="http">How requests travel.</param>
/// <param name="trace">Whether requests are logged (<c>LITESTREAM_S3_DEBUG</c>).</param>
internal sealed class S3Connection(S3Settings settings, AwsCredentialSource credentials, HttpTransport http, bool trace)
{
    /// <summary>Where requests go.</summary>
    public S3Settings Settings => settings;

    /// <summary>Limits, clock and log.</summary>
    public TransportOptions Options => http.Options;

    /// <summary>Sends a request; <paramref name="read"/> gets only successful answers.</summary>
    /// <exception cref="S3Exception">The server refuses it for good, or still after the last attempt.</exception>
    /// <exception cref="ReplicaException">It failed otherwise.</exception>
    public ValueTask<T> SendAsync<T>(S3Request request, Func<HttpResponseMessage, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken)
    {
        string what = Describe(request);
        string hash = HashOf(request, cancellationToken);
        return http.SendAsync(
            what,
            token => CreateAsync(request, hash, token),
            async (response, token) =>
            {
                await RequireSuccessAsync(what, response, token).ConfigureAwait(false);
                return await read(response, token).ConfigureAwait(false);
            },
            cancellationToken);
    }

    /// <summary>Sends a request whose body is read later.</summary>
    /// <param name="request">The request, with its <c>Range</c> header.</param>
    /// <param name="offset">First byte asked for.</param>
    /// <param name="size">Bytes asked for; 0 = to the end.</param>
    /// <param name="cancellationToken">Ends attempts, waits and later reads.</param>
    public ValueTask<Stream> OpenAsync(S3Request request, long offset, long size, CancellationToken cancellationToken)
    {
        string what = Describe(request);
        string hash = HashOf(request, cancellationToken);
        return http.OpenAsync(
            what,
            token => CreateAsync(request, hash, token),
            async (response, token) =>
            {
                if (BodyRange.Of(response.StatusCode, offset, size) is not { } range)
                {
                    throw await RefusedAsync(what, response, token).ConfigureAwait(false);
                }

                // Bytes of another range would be taken for those of this one.
                return response.Content.Headers.ContentRange?.From is { } from && response.StatusCode == HttpStatusCode.PartialContent && from != offset
                    ? throw new ReplicaException($"{what}: the server sends bytes from {from} on instead of from {offset}", isTransient: true)
                    : range;
            },
            cancellationToken);
    }

    /// <summary>The exception for a failure that the server reports inside a successful answer (trap T16).</summary>
    public ReplicaException Refused(string what, HttpResponseMessage response, S3Error error)
    {
        string advice = error.Advice(settings.Bucket, settings.Region, http.Options.Time.GetUtcNow());
        string code = error.Code.Length > 0 ? error.Code : response.ReasonPhrase ?? "";
        string message = string.Create(
            CultureInfo.InvariantCulture,
            $"{what}: {(int)error.Status} {code}{(error.Message.Length > 0 ? ": " : "")}{error.Message}{(advice.Length > 0 ? "; " : "")}{advice}");
        return error.IsThrottling
            ? new ThrottledException(message, http.GetRetryAfter(response))
            : new S3Exception(message, error, error.IsTransient || (error.Code == "ExpiredToken" && credentials.CanChange));
    }

    /// <summary>Name of a request for messages: no query values, no secrets.</summary>
    public string Describe(S3Request request) => $"s3 {request.Method} {settings.Bucket}{(request.Key is null ? "" : "/" + request.Key)}"
        + (request.Query.Count == 0 || request.Query[0].Name is "list-type" ? "" : $" ({request.Query[0].Name})");

    private async ValueTask RequireSuccessAsync(string what, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (!response.IsSuccessStatusCode)
        {
            throw await RefusedAsync(what, response, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<ReplicaException> RefusedAsync(string what, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> body = await BoundedBody.ReadAsync(what, response.Content, cancellationToken).ConfigureAwait(false);
        return Refused(what, response, S3Error.Parse(response, body));
    }

    // Once per request, not per attempt: the body is the same.
    private string HashOf(S3Request request, CancellationToken cancellationToken)
    {
        if (!settings.SignPayload || request.Body is not { } body)
        {
            return settings.SignPayload ? SigV4.EmptyHash : SigV4.UnsignedPayload;
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (ReadOnlyMemory<byte> slice in body.Slices())
        {
            cancellationToken.ThrowIfCancellationRequested();
            hash.AppendData(slice.Span);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private async ValueTask<HttpRequestMessage> CreateAsync(S3Request request, string hash, CancellationToken cancellationToken)
    {
        AwsKeys keys = await credentials.GetAsync(cancellationToken).ConfigureAwait(false);
        DateTimeOffset now = http.Options.Time.GetUtcNow();
        string path = settings.PathOf(request.Key);
        string query = SigV4.FormatQuery(request.Query);
        List<(string Name, string Value)> headers =
            [.. request.Headers, ("host", settings.Host), ("x-amz-date", SigV4.FormatDate(now)), ("x-amz-content-sha256", hash)];
        if (keys.SessionToken.Length > 0)
        {
            headers.Add(("x-amz-security-token", keys.SessionToken));
        }

        if (settings.Provider.IsConsistentOnDemand)
        {
            headers.Add(("x-tigris-consistent", "true"));
        }

        var uri = new Uri(settings.Origin + path + (query.Length > 0 ? "?" + query : ""), new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var message = new HttpRequestMessage(request.Method, uri) { Content = request.Body is { } body ? new UploadContent(body) : null };
        message.Headers.TryAddWithoutValidation("Authorization", SigV4.Authorize(request.Method.Method, path, query, headers, hash, keys, settings.Region, now));

        // Never signed: Google's front end rewrites it, and the signature would break.
        message.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        foreach ((string name, string value) in headers)
        {
            bool added = name is "content-type" or "content-md5"
                ? message.Content?.Headers.TryAddWithoutValidation(name, value) ?? true
                : message.Headers.TryAddWithoutValidation(name, value);
            Debug.Assert(added, name);
        }

        if (trace)
        {
            http.Options.Logger.Write(
                LogLevel.Debug, "s3 request",
                ("method", request.Method.Method), ("host", settings.Host), ("path", path), ("query", query), ("bytes", request.Body?.Length ?? 0), ("region", settings.Region));
        }

        return message;
    }
}
