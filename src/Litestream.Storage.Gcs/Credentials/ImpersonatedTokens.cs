using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Gcs.Credentials;

/// <summary>Tokens of a service account that other credentials may act for (IAM <c>generateAccessToken</c>).</summary>
/// <param name="service">Sends the request.</param>
/// <param name="source">The credentials that act.</param>
/// <param name="url">Address of the account's <c>generateAccessToken</c>.</param>
/// <param name="delegates">Accounts in between; may be empty.</param>
/// <param name="origin">Where the configuration was found, for messages.</param>
internal sealed class ImpersonatedTokens(TokenService service, ITokenSource source, Uri url, IReadOnlyList<string> delegates, string origin) : ITokenSource
{
    private readonly TokenCache caller = new(source, service.Time);

    public string Description => $"the service account of {url.AbsolutePath} ({origin}), acted for by {source.Description}";

    public async ValueTask<AccessToken> FetchAsync(CancellationToken cancellationToken)
    {
        AccessToken token = await caller.GetAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await service.SendAsync(
                $"get an access token for {Description}",
                () =>
                {
                    HttpRequestMessage request = TokenService.Post(url, CreateBody(), "application/json");
                    request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token.Value);
                    return request;
                },
                answer => TokenService.TextOf(answer, "accessToken") is { Length: > 0 } value
                    ? new AccessToken(value, HeaderTime.Parse(TokenService.TextOf(answer, "expireTime")) ?? service.Time.GetUtcNow().AddHours(1)) : null,
                cancellationToken).ConfigureAwait(false);
        }
        catch (ReplicaException refused) when (!refused.IsTransient)
        {
            await caller.DropAsync(token, cancellationToken).ConfigureAwait(false);
            throw new ReplicaException(
                $"{refused.Message}; the acting credentials need the role Service Account Token Creator on that account", isTransient: false, refused);
        }
    }

    private string CreateBody()
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteStartArray("delegates");
            foreach (string one in delegates)
            {
                writer.WriteStringValue(one);
            }

            writer.WriteEndArray();
            writer.WriteStartArray("scope");
            writer.WriteStringValue(TokenService.StorageScope);
            writer.WriteEndArray();
            writer.WriteString("lifetime", "3600s");
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}
