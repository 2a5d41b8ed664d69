using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Litestream.Storage.Gcs.Credentials;

/// <summary>Tokens for the private key of a service account: an assertion signed with RS256 is exchanged for a token (RFC 7523).</summary>
internal sealed class ServiceAccountTokens : ITokenSource
{
    private const int LifeSeconds = 3600;

    private readonly TokenService service;
    private readonly string mail;
    private readonly string keyId;
    private readonly string privateKey;
    private readonly Uri endpoint;
    private readonly string scope;
    private readonly string origin;

    public ServiceAccountTokens(TokenService service, CredentialFile file, string origin, string scope)
    {
        (this.service, this.origin, this.scope) = (service, origin, scope);
        mail = CredentialFiles.Required(file.ClientEmail, "client_email", origin);
        privateKey = CredentialFiles.Required(file.PrivateKey, "private_key", origin);
        keyId = file.PrivateKeyId ?? "";
        endpoint = CredentialFiles.Url(file.TokenUri, "token_uri", origin, CredentialFiles.GoogleTokenUrl);
        using RSA key = ReadKey();
    }

    public string Description => $"service account {mail} ({origin})";

    public async ValueTask<AccessToken> FetchAsync(CancellationToken cancellationToken)
    {
        string what = $"get an access token for {Description}";
        List<KeyValuePair<string, string>> form =
        [
            new("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            new("assertion", CreateAssertion()),
        ];
        try
        {
            return await service.PostFormAsync(what, endpoint, form, null, cancellationToken).ConfigureAwait(false);
        }
        catch (ReplicaException refused) when (!refused.IsTransient)
        {
            throw new ReplicaException(
                $"{refused.Message}; check that the key {keyId} still exists for this account and that this machine's clock is right", isTransient: false, refused);
        }
    }

    private string CreateAssertion()
    {
        long now = service.Time.GetUtcNow().ToUnixTimeSeconds();
        string header = Encode(writer =>
        {
            writer.WriteString("alg", "RS256");
            writer.WriteString("typ", "JWT");
            if (keyId.Length > 0)
            {
                writer.WriteString("kid", keyId);
            }
        });
        string claims = Encode(writer =>
        {
            writer.WriteString("iss", mail);
            writer.WriteString("scope", scope);
            writer.WriteString("aud", endpoint.OriginalString);
            writer.WriteNumber("iat", now);
            writer.WriteNumber("exp", now + LifeSeconds);
        });
        string signed = string.Create(CultureInfo.InvariantCulture, $"{header}.{claims}");
        using RSA key = ReadKey();
        byte[] signature = key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return $"{signed}.{Base64Url.EncodeToString(signature)}";
    }

    private RSA ReadKey()
    {
        var key = RSA.Create();
        try
        {
            key.ImportFromPem(privateKey);
            return key;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();

            // The inner message is left out on purpose: it may quote the key.
            throw new ReplicaException($"{origin}: private_key is not an RSA key in PEM form; download the key file again", isTransient: false);
        }
    }

    private static string Encode(Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }

        return Base64Url.EncodeToString(buffer.ToArray());
    }
}
