using System.Text.Json;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Gcs.Credentials;

/// <summary>
/// Tokens for the identity that another provider vouches for (workload identity federation): its token is read from a file or an address and
/// exchanged at the security token service (RFC 8693).
/// </summary>
internal sealed class ExternalAccountTokens : ITokenSource
{
    private readonly TokenService service;
    private readonly string origin;
    private readonly Uri endpoint;
    private readonly string audience;
    private readonly string subjectType;
    private readonly SubjectSource subject;
    private readonly (string Id, string Secret)? client;
    private readonly string scope;

    public ExternalAccountTokens(TokenService service, CredentialFile file, string origin, string scope)
    {
        (this.service, this.origin, this.scope) = (service, origin, scope);
        endpoint = CredentialFiles.Url(file.TokenUrl, "token_url", origin, "https://sts.googleapis.com/v1/token");
        audience = CredentialFiles.Required(file.Audience, "audience", origin);
        subjectType = CredentialFiles.Required(file.SubjectTokenType, "subject_token_type", origin);
        client = file.ClientId is { Length: > 0 } id ? (id, file.ClientSecret ?? "") : null;
        subject = file.CredentialSource is { } source && (source.File ?? source.Url) is { Length: > 0 }
            ? source
            : throw new ReplicaException(
                $"{origin}: only a credential_source with file or url is supported; AWS and executable sources are not", isTransient: false);
    }

    public string Description => $"the identity {audience} ({origin})";

    public async ValueTask<AccessToken> FetchAsync(CancellationToken cancellationToken)
    {
        // Read again each time: the provider replaces its token before it expires.
        string subjectToken = await ReadSubjectAsync(cancellationToken).ConfigureAwait(false);
        List<KeyValuePair<string, string>> form =
        [
            new("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            new("audience", audience),
            new("scope", scope),
            new("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            new("subject_token_type", subjectType),
            new("subject_token", subjectToken),
        ];
        return await service.PostFormAsync($"get an access token for {Description}", endpoint, form, client, cancellationToken).ConfigureAwait(false);
    }

    private ValueTask<string> ReadSubjectAsync(CancellationToken cancellationToken)
    {
        if (subject.File is { Length: > 0 } path)
        {
            return ValueTask.FromResult(Extract(CredentialFiles.ReadText(path, $"{origin}: credential_source"), path));
        }

        Uri url = CredentialFiles.Url(subject.Url, "credential_source.url", origin, "");
        return service.SendTextAsync(
            $"get the subject token of {Description}",
            () =>
            {
                var request = new HttpRequestMessage(HttpMethod.Get, url);
                foreach ((string name, string value) in subject.Headers ?? [])
                {
                    request.Headers.TryAddWithoutValidation(name, value);
                }

                return request;
            },
            text => Extract(text, url.GetLeftPart(UriPartial.Path)),
            cancellationToken);
    }

    private string Extract(string text, string where)
    {
        if (subject.Format?.Type is not "json")
        {
            return text.Trim() is { Length: > 0 } token ? token : throw new ReplicaException($"{where}: holds no token", isTransient: false);
        }

        using JsonDocument? document = TokenService.TryParse(text);
        string field = subject.Format.SubjectTokenFieldName ?? "access_token";
        return document is not null && TokenService.TextOf(document.RootElement, field) is { Length: > 0 } value
            ? value
            : throw new ReplicaException($"{where}: holds no JSON with a token in the field {field}", isTransient: false);
    }
}
