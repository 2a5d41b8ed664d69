using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Gcs.Credentials;

/// <summary>Asks services that give tokens. Their answers, and what is sent to them, never get into a message.</summary>
/// <param name="http">Connections and retries.</param>
internal sealed class TokenService(HttpTransport http)
{
    /// <summary>Read and write of objects, as upstream asks for it.</summary>
    public const string StorageScope = "https://www.googleapis.com/auth/devstorage.full_control";

    /// <summary>What a token needs that only gets another token.</summary>
    public const string PlatformScope = "https://www.googleapis.com/auth/cloud-platform";

    private const int MaxMessage = 300;

    /// <summary>Clock of token ends.</summary>
    public TimeProvider Time => http.Options.Time;

    /// <summary>Sends a form to an OAuth 2 token endpoint.</summary>
    /// <param name="what">Whose token, for messages.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="form">Fields of the form.</param>
    /// <param name="basic">Client id and secret for the <c>Authorization</c> header, or null.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    public ValueTask<AccessToken> PostFormAsync(
        string what, Uri endpoint, IReadOnlyList<KeyValuePair<string, string>> form, (string Id, string Secret)? basic, CancellationToken cancellationToken)
    {
        string body = string.Join('&', form.Select(field => $"{Uri.EscapeDataString(field.Key)}={Uri.EscapeDataString(field.Value)}"));
        return SendAsync(
            what,
            () =>
            {
                HttpRequestMessage request = Post(endpoint, body, "application/x-www-form-urlencoded");
                if (basic is { } client)
                {
                    string pair = $"{Uri.EscapeDataString(client.Id)}:{Uri.EscapeDataString(client.Secret)}";
                    request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(pair)));
                }

                return request;
            },
            ReadToken,
            cancellationToken);
    }

    /// <summary>Sends a request for a token and reads the answer.</summary>
    public ValueTask<T> SendAsync<T>(string what, Func<HttpRequestMessage> create, Func<JsonElement, T?> read, CancellationToken cancellationToken)
        where T : class =>
        SendTextAsync(
            what,
            create,
            text =>
            {
                using JsonDocument? document = TryParse(text);
                return (document is null ? null : read(document.RootElement))
                    ?? throw new ReplicaException($"{what}: the answer holds no token", isTransient: false);
            },
            cancellationToken);

    /// <summary>Sends a request whose answer is a token as text.</summary>
    public ValueTask<T> SendTextAsync<T>(string what, Func<HttpRequestMessage> create, Func<string, T> read, CancellationToken cancellationToken) =>
        http.SendAsync(
            what,
            create,
            async (response, token) =>
            {
                string text = await HttpTransport.ReadTextAsync(response, token).ConfigureAwait(false);
                return response.StatusCode == HttpStatusCode.OK ? read(text) : throw http.Refused(what, response, Explain(text));
            },
            cancellationToken);

    /// <summary>A request with a body.</summary>
    public static HttpRequestMessage Post(Uri endpoint, string body, string mediaType)
    {
        var content = new UploadContent(Encoding.UTF8.GetBytes(body));
        content.Headers.ContentType = new MediaTypeHeaderValue(mediaType);
        return new HttpRequestMessage(HttpMethod.Post, endpoint) { Content = content };
    }

    /// <summary>The token of an OAuth 2 answer, with its end reckoned from now; null if there is none.</summary>
    public AccessToken? ReadToken(JsonElement answer) =>
        TextOf(answer, "access_token") is { Length: > 0 } value
            ? new AccessToken(value, Time.GetUtcNow() + TimeSpan.FromSeconds(
                answer.TryGetProperty("expires_in", out JsonElement seconds) && seconds.ValueKind == JsonValueKind.Number && seconds.TryGetDouble(out double life)
                    ? Math.Clamp(life, 0, 86_400) : 3600))
            : null;

    /// <summary>A text field of an answer; null if it is missing.</summary>
    public static string? TextOf(JsonElement answer, string name) =>
        answer.ValueKind == JsonValueKind.Object && answer.TryGetProperty(name, out JsonElement field) && field.ValueKind == JsonValueKind.String ? field.GetString() : null;

    /// <summary>JSON of an answer, or null if it is none.</summary>
    public static JsonDocument? TryParse(string text)
    {
        try
        {
            return JsonDocument.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Only the documented fields of an error are repeated: an answer may quote the request, and that holds secrets.</summary>
    private static string Explain(string text)
    {
        using JsonDocument? document = TryParse(text);
        if (document?.RootElement is not { ValueKind: JsonValueKind.Object } root)
        {
            return "";
        }

        string explained = root.TryGetProperty("error", out JsonElement error) && error.ValueKind == JsonValueKind.Object
            ? TextOf(error, "message") ?? ""
            : string.Join(": ", new[] { TextOf(root, "error"), TextOf(root, "error_description") }.OfType<string>());
        return explained.Length > MaxMessage ? explained[..MaxMessage] : explained;
    }
}
