namespace Litestream.Storage.Gcs.Credentials;

/// <summary>Tokens of the service account that a machine of Google Cloud runs as, from its metadata server.</summary>
/// <param name="service">Sends the request.</param>
/// <param name="host"><c>GCE_METADATA_HOST</c>; empty = the usual name.</param>
internal sealed class MetadataServerTokens(TokenService service, string host) : ITokenSource
{
    private readonly string server = host.Length > 0 ? host : "metadata.google.internal";
    private bool answered;

    public string Description => $"this machine's service account (metadata server {server})";

    public async ValueTask<AccessToken> FetchAsync(CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(
            $"http://{server}/computeMetadata/v1/instance/service-accounts/default/token?scopes={Uri.EscapeDataString(TokenService.StorageScope)}",
            UriKind.Absolute, out Uri? url))
        {
            throw new ReplicaException($"GCE_METADATA_HOST: {server} is no host name", isTransient: false);
        }

        try
        {
            AccessToken token = await service.SendAsync(
                $"get an access token for {Description}",
                () =>
                {
                    var request = new HttpRequestMessage(HttpMethod.Get, url);
                    request.Headers.Add("Metadata-Flavor", "Google");
                    return request;
                },
                service.ReadToken,
                cancellationToken).ConfigureAwait(false);
            answered = true;
            return token;
        }
        catch (ReplicaException failure) when (!answered && failure.InnerException is HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError })
        {
            throw new ReplicaException(
                "no Google credentials found: set GOOGLE_APPLICATION_CREDENTIALS to a key file, or run gcloud auth application-default login, "
                + $"or run on a machine of Google Cloud (the metadata server {server} is not known here)",
                isTransient: false, failure);
        }
    }
}
