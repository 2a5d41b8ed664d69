namespace Litestream.Storage.Nats;

/// <summary>Where a NATS replica lies and how to get in (backends §3.3, §4.8). Empty strings mean "not set".</summary>
public sealed record NatsOptions
{
    /// <summary>Server, <c>nats://host[:port]</c>; several of one cluster with commas. A path is ignored here, user info is used when nothing else is given.</summary>
    public string Url { get; init; } = "nats://127.0.0.1:4222";

    /// <summary>Name of the object store, <c>^[a-zA-Z0-9_-]+$</c>. It must exist; one database per bucket.</summary>
    public string Bucket { get; init; } = "";

    /// <summary>User JWT; with <see cref="Seed"/> the first choice.</summary>
    public string Jwt { get; init; } = "";

    /// <summary>Private part of <see cref="Jwt"/> or <see cref="NKey"/>, <c>SU…</c>.</summary>
    public string Seed { get; init; } = "";

    /// <summary>Path of a credentials file (JWT and seed); the second choice.</summary>
    public string Creds { get; init; } = "";

    /// <summary>Public user key <c>U…</c>; the third choice. Its private part comes from <see cref="Seed"/>.</summary>
    public string NKey { get; init; } = "";

    /// <summary>User name; with <see cref="Password"/> the fourth choice.</summary>
    public string Username { get; init; } = "";

    /// <summary>Password of <see cref="Username"/>.</summary>
    public string Password { get; init; } = "";

    /// <summary>Token; the last choice.</summary>
    public string Token { get; init; } = "";

    /// <summary>True requires TLS. Root or client certificates require it, too.</summary>
    public bool Tls { get; init; }

    /// <summary>PEM files of root certificates to trust instead of the system's.</summary>
    public IReadOnlyList<string> RootCas { get; init; } = [];

    /// <summary>PEM file of the client certificate; only together with <see cref="ClientKey"/>.</summary>
    public string ClientCert { get; init; } = "";

    /// <summary>PEM file of the client certificate's key.</summary>
    public string ClientKey { get; init; } = "";

    /// <summary>Reconnect attempts after a lost connection; −1 = without end.</summary>
    public int MaxReconnects { get; init; } = -1;

    /// <summary>Wait between reconnect attempts. Default 2 s.</summary>
    public TimeSpan ReconnectWait { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Longest wait for a connection. Default 10 s.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Server and bucket, without any secret.</summary>
    public override string ToString() => $"{ServerList.Display(Url)}/{Bucket}";

    /// <summary>What tells connections apart: everything but the bucket.</summary>
    internal string ConnectionKey() => string.Join(
        '\n', Url, Jwt, Seed, Creds, NKey, Username, Password, Token, Tls, string.Join('|', RootCas), ClientCert, ClientKey, MaxReconnects, ReconnectWait, Timeout);
}
