namespace Litestream.Storage.Gcs.Credentials;

/// <summary>Tokens for a person: what <c>gcloud auth application-default login</c> leaves behind, a refresh token.</summary>
internal sealed class AuthorizedUserTokens(TokenService service, CredentialFile file, string origin) : ITokenSource
{
    private readonly Uri endpoint = CredentialFiles.Url(file.TokenUri, "token_uri", origin, CredentialFiles.GoogleTokenUrl);

    private readonly List<KeyValuePair<string, string>> form =
    [
        new("grant_type", "refresh_token"),
        new("refresh_token", CredentialFiles.Required(file.RefreshToken, "refresh_token", origin)),
        new("client_id", CredentialFiles.Required(file.ClientId, "client_id", origin)),
        new("client_secret", CredentialFiles.Required(file.ClientSecret, "client_secret", origin)),
    ];

    public string Description => $"a user's login ({origin})";

    public async ValueTask<AccessToken> FetchAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await service.PostFormAsync($"get an access token for {Description}", endpoint, form, null, cancellationToken).ConfigureAwait(false);
        }
        catch (ReplicaException refused) when (!refused.IsTransient)
        {
            throw new ReplicaException($"{refused.Message}; log in again: gcloud auth application-default login", isTransient: false, refused);
        }
    }
}
