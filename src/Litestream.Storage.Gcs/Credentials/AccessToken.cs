namespace Litestream.Storage.Gcs.Credentials;

/// <summary>A bearer token. It never shows its value in text.</summary>
/// <param name="value">What goes into the header.</param>
/// <param name="expiresAt">When the store stops accepting it.</param>
internal sealed class AccessToken(string value, DateTimeOffset expiresAt)
{
    public string Value { get; } = value;

    public DateTimeOffset ExpiresAt { get; } = expiresAt;

    public override string ToString() => $"access token until {ExpiresAt:O}";
}

/// <summary>Where tokens come from.</summary>
internal interface ITokenSource
{
    /// <summary>Whose credentials these are and where they were found, for messages; no secrets.</summary>
    string Description { get; }

    /// <summary>Gets a new token.</summary>
    /// <exception cref="ReplicaException">The credentials are refused (permanent), or their service cannot be reached (transient).</exception>
    ValueTask<AccessToken> FetchAsync(CancellationToken cancellationToken);
}

/// <summary>The store does not accept the token (401): a new one is worth exactly one more try.</summary>
internal sealed class TokenRefusedException(string message) : ReplicaException(message, isTransient: false);
