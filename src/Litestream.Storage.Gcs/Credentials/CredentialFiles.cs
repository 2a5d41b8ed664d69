using System.Text.Json;

namespace Litestream.Storage.Gcs.Credentials;

/// <summary>Reads credential files. Messages name the file and the field, never a value.</summary>
internal static class CredentialFiles
{
    public const string GoogleTokenUrl = "https://oauth2.googleapis.com/token";

    /// <summary>Key files have 3 KiB; more than this is a wrong file.</summary>
    private const int MaxFileBytes = 1 << 20;

    /// <summary>Makes the source of tokens that a file describes.</summary>
    /// <param name="service">Sends its requests.</param>
    /// <param name="path">The file.</param>
    /// <param name="named">What named it, for messages.</param>
    /// <exception cref="ReplicaException">It cannot be used.</exception>
    public static ITokenSource Load(TokenService service, string path, string named)
    {
        string origin = $"{named} {path}";
        CredentialFile? file;
        try
        {
            file = JsonSerializer.Deserialize(ReadText(path, named), CredentialJson.Default.CredentialFile);
        }
        catch (JsonException e)
        {
            // The message of the parser may quote the file.
            throw new ReplicaException($"{origin}: is not a credential file in JSON (line {e.LineNumber + 1})", isTransient: false);
        }

        return Create(service, file ?? new CredentialFile(), origin, TokenService.StorageScope, nested: false);
    }

    /// <summary>A text file, at most 1 MiB.</summary>
    public static string ReadText(string path, string named)
    {
        try
        {
            using IFile file = LocalFileSystem.Instance.OpenRead(Path.GetFullPath(path));
            if (file.Length > MaxFileBytes)
            {
                throw new ReplicaException($"{named} {path}: has {file.Length} bytes; that is no credential file", isTransient: false);
            }

            byte[] bytes = new byte[file.Length];
            int count = 0;
            while (count < bytes.Length && file.Read(bytes.AsSpan(count), count) is > 0 and int read)
            {
                count += read;
            }

            return System.Text.Encoding.UTF8.GetString(bytes, 0, count);
        }
        catch (Exception e) when (e is (IOException and not ReplicaException) or UnauthorizedAccessException)
        {
            throw new ReplicaException($"{named}: cannot read {path}: {e.Message}", isTransient: false, e);
        }
    }

    /// <summary>A field that must be there.</summary>
    public static string Required(string? value, string field, string origin) =>
        string.IsNullOrEmpty(value) ? throw new ReplicaException($"{origin}: has no {field}", isTransient: false) : value;

    /// <summary>An address in a field; empty = the usual one.</summary>
    public static Uri Url(string? value, string field, string origin, string usual) =>
        Uri.TryCreate(string.IsNullOrEmpty(value) ? usual : value, UriKind.Absolute, out Uri? url) && url.Scheme is "https" or "http"
            ? url : throw new ReplicaException($"{origin}: {field} is no http address", isTransient: false);

    private static ITokenSource Create(TokenService service, CredentialFile file, string origin, string scope, bool nested) => file.Type switch
    {
        "service_account" => new ServiceAccountTokens(service, file, origin, scope),
        "authorized_user" => new AuthorizedUserTokens(service, file, origin),
        "external_account" when file.ServiceAccountImpersonationUrl is { Length: > 0 } url => new ImpersonatedTokens(
            service, new ExternalAccountTokens(service, file, origin, TokenService.PlatformScope),
            Url(url, "service_account_impersonation_url", origin, ""), [], origin),
        "external_account" => new ExternalAccountTokens(service, file, origin, scope),
        "impersonated_service_account" when !nested => new ImpersonatedTokens(
            service,
            Create(service, file.SourceCredentials ?? new CredentialFile(), $"{origin}: source_credentials", TokenService.PlatformScope, nested: true),
            Url(Required(file.ServiceAccountImpersonationUrl, "service_account_impersonation_url", origin), "service_account_impersonation_url", origin, ""),
            file.Delegates ?? [], origin),
        _ => throw new ReplicaException(
            $"{origin}: credentials of type \"{file.Type}\" are not supported here; use service_account, authorized_user, external_account or impersonated_service_account",
            isTransient: false),
    };
}
