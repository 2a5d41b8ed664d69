using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Litestream.Storage.Gcs.Credentials;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Gcs;

/// <summary>Requests of the JSON API: addresses, authentication, and what errors mean.</summary>
internal sealed class GcsApi
{
    // A page of 1,000 objects has about 300 KiB.
    private const int MaxAnswerBytes = 16 << 20;

    private const int MaxMessage = 300;

    // The values of Google's own libraries; attempts as everywhere.
    private static readonly RetryOptions Retries = new(10, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));

    private readonly TokenCache? tokens;
    private readonly string bucket;
    private readonly string objects;
    private readonly string uploads;

    /// <summary>Finds endpoint and credentials; nothing is sent.</summary>
    /// <exception cref="ReplicaException">Settings or credential files cannot be used.</exception>
    public GcsApi(GcsOptions options, StorageTransport transport)
    {
        string emulator = transport.Options.GetVariable("STORAGE_EMULATOR_HOST") ?? "";
        bool emulated = options.Endpoint is null && emulator.Length > 0;
        string root = emulated
            ? (emulator.Contains("://", StringComparison.Ordinal) ? emulator : "http://" + emulator)
            : options.Endpoint ?? "https://storage.googleapis.com";
        if (!Uri.TryCreate(root, UriKind.Absolute, out Uri? url) || url.Scheme is not ("http" or "https") || url.UserInfo.Length > 0)
        {
            throw new ReplicaException(
                $"{(emulated ? "STORAGE_EMULATOR_HOST" : "endpoint of gs replica")}: {(url?.UserInfo.Length > 0 ? "must not hold a password" : root + " is no http address")}",
                isTransient: false);
        }

        Http = transport.CreateHttp(Retries);
        tokens = emulated ? null : ApplicationDefault.Get(transport);
        bucket = options.Bucket;
        string path = $"/storage/v1/b/{Uri.EscapeDataString(options.Bucket)}/o";
        objects = root.TrimEnd('/') + path;
        uploads = root.TrimEnd('/') + "/upload" + path;
    }

    /// <summary>Connections and retries.</summary>
    public HttpTransport Http { get; }

    /// <summary>Address of an object, every slash of its name escaped.</summary>
    public Uri Object(string name, string query = "") => Address($"{objects}/{Uri.EscapeDataString(name)}{query}");

    /// <summary>Address of a listing.</summary>
    public Uri List(string query) => Address($"{objects}?{query}");

    /// <summary>Address of an upload.</summary>
    public Uri Upload(string query) => Address($"{uploads}?{query}");

    /// <summary>The object in messages.</summary>
    public string Location(string name) => $"gs://{bucket}/{name}";

    /// <summary>Sends a request, once more with a new token if the store does not accept the present one.</summary>
    /// <inheritdoc cref="HttpTransport.SendAsync{T}(string, Func{HttpRequestMessage}, Func{HttpResponseMessage, CancellationToken, ValueTask{T}}, CancellationToken)"/>
    public ValueTask<T> SendAsync<T>(
        string what, Func<HttpRequestMessage> create, Func<HttpResponseMessage, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken) =>
        WithTokenAsync(create, authorized => Http.SendAsync(what, authorized, read, cancellationToken), cancellationToken);

    /// <summary>Sends a request whose answer is read later.</summary>
    /// <inheritdoc cref="HttpTransport.OpenAsync"/>
    public ValueTask<Stream> OpenAsync(
        string what, Func<HttpRequestMessage> create, Func<HttpResponseMessage, CancellationToken, ValueTask<BodyRange>> judge,
        CancellationToken cancellationToken) =>
        WithTokenAsync(
            create, authorized => Http.OpenAsync(what, _ => ValueTask.FromResult(authorized()), judge, cancellationToken), cancellationToken);

    /// <summary>What a refusal means: throttling, a passing failure, a wrong key, a missing bucket.</summary>
    public async ValueTask<ReplicaException> RefusedAsync(string what, string operation, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        (string reason, string message) = Explain(await HttpTransport.ReadTextAsync(response, cancellationToken).ConfigureAwait(false));
        ReplicaMetrics.Failed("gs", operation, ((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture));
        string whose = tokens?.Description ?? "no credentials (STORAGE_EMULATOR_HOST is set)";
        ReplicaException plain = Http.Refused(what, response, message);
        return response.StatusCode switch
        {
            HttpStatusCode.Unauthorized => new TokenRefusedException($"{plain.Message}; the store does not accept {whose}: check the key and this machine's clock"),
            HttpStatusCode.Forbidden when reason is "rateLimitExceeded" or "userRateLimitExceeded" => new ThrottledException(plain.Message, Http.GetRetryAfter(response)),
            HttpStatusCode.Forbidden => new ReplicaException(
                $"{plain.Message}; give {whose} the role Storage Object Admin on bucket {bucket}", isTransient: false),
            HttpStatusCode.NotFound => new ReplicaException(
                $"{plain.Message}; bucket {bucket} must exist: create it, or correct its name", isTransient: false),
            _ => plain,
        };
    }

    /// <summary>Whether an answer 404 is about the bucket; an object that is missing is no such thing (backends §1.4).</summary>
    public async ValueTask<bool> IsBucketMissingAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        (_, string message) = Explain(await HttpTransport.ReadTextAsync(response, cancellationToken).ConfigureAwait(false));
        if (message.StartsWith("No such object", StringComparison.Ordinal))
        {
            return false;
        }

        // Other words: a listing of nothing knows.
        return message.Contains("bucket does not exist", StringComparison.OrdinalIgnoreCase) || !await BucketExistsAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether the bucket is there.</summary>
    /// <exception cref="ReplicaException">It may not be looked at.</exception>
    public ValueTask<bool> BucketExistsAsync(CancellationToken cancellationToken)
    {
        string what = $"look at bucket gs://{bucket}";
        return SendAsync(
            what,
            () => new HttpRequestMessage(HttpMethod.Get, List("maxResults=1&fields=nextPageToken")),
            async (response, token) =>
            {
                ReplicaMetrics.Count("gs", "LIST");
                return response.StatusCode switch
                {
                    HttpStatusCode.OK => true,
                    HttpStatusCode.NotFound => false,
                    _ => throw await RefusedAsync(what, "LIST", response, token).ConfigureAwait(false),
                };
            },
            cancellationToken);
    }

    /// <summary>The error of a bucket that is not there.</summary>
    public ReplicaException BucketMissing(string what) =>
        new($"{what}: bucket {bucket} does not exist; create it, or correct its name", isTransient: false);

    /// <summary>Reads an answer in JSON, at most 16 MiB.</summary>
    /// <exception cref="ReplicaException">It is none.</exception>
    public static async ValueTask<T> ReadJsonAsync<T>(string what, HttpResponseMessage response, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            await response.Content.LoadIntoBufferAsync(MaxAnswerBytes, cancellationToken).ConfigureAwait(false);
            Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            return await JsonSerializer.DeserializeAsync(body, type, cancellationToken).ConfigureAwait(false)
                ?? throw new ReplicaException($"{what}: the answer is empty");
        }
        catch (JsonException e)
        {
            throw new ReplicaException($"{what}: the answer is no valid JSON: {e.Message}", isTransient: true, e);
        }
    }

    private async ValueTask<T> WithTokenAsync<T>(
        Func<HttpRequestMessage> create, Func<Func<HttpRequestMessage>, ValueTask<T>> send, CancellationToken cancellationToken)
    {
        if (tokens is null)
        {
            return await send(create).ConfigureAwait(false);
        }

        AccessToken first = await tokens.GetAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await send(() => Authorize(create(), first)).ConfigureAwait(false);
        }
        catch (TokenRefusedException)
        {
            // It may have been revoked, or this machine's clock is behind: a new token, and what is refused then is refused for good.
            await tokens.DropAsync(first, cancellationToken).ConfigureAwait(false);
            AccessToken second = await tokens.GetAsync(cancellationToken).ConfigureAwait(false);
            return await send(() => Authorize(create(), second)).ConfigureAwait(false);
        }
    }

    private static HttpRequestMessage Authorize(HttpRequestMessage request, AccessToken token)
    {
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token.Value);
        return request;
    }

    private static Uri Address(string text) => new(text, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    private static (string Reason, string Message) Explain(string text)
    {
        using JsonDocument? document = TokenService.TryParse(text);
        if (document?.RootElement is not { ValueKind: JsonValueKind.Object } root || !root.TryGetProperty("error", out JsonElement error))
        {
            string plain = text.Trim();
            return ("", plain.Length > MaxMessage ? plain[..MaxMessage] : plain);
        }

        string message = TokenService.TextOf(error, "message") ?? "";
        string reason = error.ValueKind == JsonValueKind.Object && error.TryGetProperty("errors", out JsonElement list)
            && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0
            ? TokenService.TextOf(list[0], "reason") ?? "" : "";
        return (reason, message.Length > MaxMessage ? message[..MaxMessage] : message);
    }
}
