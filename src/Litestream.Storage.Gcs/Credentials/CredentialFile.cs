using System.Text.Json;
using System.Text.Json.Serialization;

namespace Litestream.Storage.Gcs.Credentials;

/// <summary>A credential file of Google, all kinds in one; which fields count is said by <see cref="Type"/>.</summary>
internal sealed class CredentialFile
{
    public string? Type { get; init; }

    public string? ClientEmail { get; init; }

    public string? PrivateKey { get; init; }

    public string? PrivateKeyId { get; init; }

    public string? TokenUri { get; init; }

    public string? ClientId { get; init; }

    public string? ClientSecret { get; init; }

    public string? RefreshToken { get; init; }

    public string? Audience { get; init; }

    public string? SubjectTokenType { get; init; }

    public string? TokenUrl { get; init; }

    public SubjectSource? CredentialSource { get; init; }

    public string? ServiceAccountImpersonationUrl { get; init; }

    public CredentialFile? SourceCredentials { get; init; }

    public IReadOnlyList<string>? Delegates { get; init; }
}

/// <summary>Where an external identity provider leaves its token.</summary>
internal sealed class SubjectSource
{
    public string? File { get; init; }

    public string? Url { get; init; }

    public Dictionary<string, string>? Headers { get; init; }

    public SubjectFormat? Format { get; init; }
}

/// <summary>How that token is written: as text, or as a field of a JSON object.</summary>
internal sealed class SubjectFormat
{
    public string? Type { get; init; }

    public string? SubjectTokenFieldName { get; init; }
}

/// <summary>Reading of credential files and of what token services answer, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(CredentialFile))]
internal sealed partial class CredentialJson : JsonSerializerContext;
