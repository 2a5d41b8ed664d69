namespace Litestream.Configuration.Targets;

/// <summary>
/// Where and how one database is replicated: the typed result of a <c>replica</c> mapping or a replica URL (§3.6, §4). Backends
/// take their settings from the record of their kind.
/// </summary>
/// <param name="Type">Backend name: <c>file s3 gs abs oss sftp webdav nats</c>.</param>
public abstract record ReplicaTarget(string Type)
{
    /// <summary>Names of all backends, sorted.</summary>
    public static IReadOnlyList<string> KnownTypes { get; } = ["abs", "file", "gs", "nats", "oss", "s3", "sftp", "webdav"];

    /// <summary>Identity of the destination without credentials: two databases must never share one (trap B20).</summary>
    public abstract string Destination { get; }

    /// <summary>The destination: what a log or a message may show. The members hold secrets.</summary>
    public sealed override string ToString() => Destination;

    /// <summary>Whether a word of a command line is a replica URL rather than a path: word characters, then <c>://</c>.</summary>
    public static bool IsUrl(string text) => ReplicaUrl.LooksLikeUrl(text);
}

/// <summary>A directory.</summary>
/// <param name="Path">Absolute path.</param>
public sealed record FileTarget(string Path) : ReplicaTarget("file")
{
    /// <inheritdoc/>
    public override string Destination => "file://" + Path;
}

/// <summary>A bucket of S3 or something that speaks its protocol. Null = the provider's default.</summary>
/// <param name="Bucket">Bucket name or access-point ARN.</param>
/// <param name="Path">Key prefix without leading slash; may be empty.</param>
public sealed record S3Target(string Bucket, string Path) : ReplicaTarget("s3")
{
    /// <summary>Region; empty = looked up.</summary>
    public string Region { get; init; } = "";

    /// <summary>Endpoint as configured, with or without scheme; empty = AWS.</summary>
    public string Endpoint { get; init; } = "";

    /// <summary>Bucket in the path instead of the host name.</summary>
    public bool? ForcePathStyle { get; init; }

    /// <summary>Sign request bodies.</summary>
    public bool? SignPayload { get; init; }

    /// <summary>Send Content-MD5 with batch deletes.</summary>
    public bool? RequireContentMd5 { get; init; }

    /// <summary>Do not check TLS certificates.</summary>
    public bool SkipVerify { get; init; }

    /// <summary>Storage class of new objects; empty = the bucket's.</summary>
    public string StorageClass { get; init; } = "";

    /// <summary>Bytes per part of an upload.</summary>
    public long? PartSize { get; init; }

    /// <summary>Parts uploaded at once.</summary>
    public int? Concurrency { get; init; }

    /// <summary>Static key; empty = default credential chain.</summary>
    public string AccessKeyId { get; init; } = "";

    /// <summary>Secret of the static key.</summary>
    public string SecretAccessKey { get; init; } = "";

    /// <summary>True for a URL without any path: earlier releases wrote such replicas under <c>./</c> (trap B23).</summary>
    public bool IsWithoutPath { get; init; }

    /// <summary>Customer-key encryption.</summary>
    public CustomerEncryption Encryption { get; init; } = new("", "", "", "");

    /// <inheritdoc/>
    public override string Destination => $"s3://{Endpoint}/{Bucket}/{Path}";
}

/// <summary>Server-side encryption settings of S3.</summary>
/// <param name="Algorithm">Algorithm; empty = AES256.</param>
/// <param name="Key">Base64 of the key.</param>
/// <param name="KeyPath">File with the key; wins over <paramref name="Key"/>.</param>
/// <param name="KmsKeyId">KMS key; excludes a customer key.</param>
public sealed record CustomerEncryption(string Algorithm, string Key, string KeyPath, string KmsKeyId);

/// <summary>A bucket of Alibaba OSS.</summary>
/// <param name="Bucket">Bucket name.</param>
/// <param name="Path">Key prefix; may be empty.</param>
public sealed record OssTarget(string Bucket, string Path) : ReplicaTarget("oss")
{
    /// <summary>Region such as <c>cn-shanghai</c>.</summary>
    public string Region { get; init; } = "";

    /// <summary>Endpoint; empty = the region's.</summary>
    public string Endpoint { get; init; } = "";

    /// <summary>Static key; empty = default chain.</summary>
    public string AccessKeyId { get; init; } = "";

    /// <summary>Secret of the static key.</summary>
    public string SecretAccessKey { get; init; } = "";

    /// <summary>Bytes per part of an upload.</summary>
    public long? PartSize { get; init; }

    /// <summary>Parts uploaded at once.</summary>
    public int? Concurrency { get; init; }

    /// <inheritdoc/>
    public override string Destination => $"oss://{Endpoint}/{Bucket}/{Path}";
}

/// <summary>A bucket of Google Cloud Storage.</summary>
/// <param name="Bucket">Bucket name.</param>
/// <param name="Path">Key prefix; may be empty.</param>
public sealed record GcsTarget(string Bucket, string Path) : ReplicaTarget("gs")
{
    /// <inheritdoc/>
    public override string Destination => $"gs://{Bucket}/{Path}";
}

/// <summary>A container of Azure Blob Storage.</summary>
/// <param name="Container">Container name (<c>bucket</c> in the file).</param>
/// <param name="Path">Blob prefix; may be empty.</param>
public sealed record AbsTarget(string Container, string Path) : ReplicaTarget("abs")
{
    /// <summary>Storage account.</summary>
    public string AccountName { get; init; } = "";

    /// <summary>Shared key; empty = default chain.</summary>
    public string AccountKey { get; init; } = "";

    /// <summary>SAS token; beats the key.</summary>
    public string SasToken { get; init; } = "";

    /// <summary>Endpoint; empty = the account's.</summary>
    public string Endpoint { get; init; } = "";

    /// <inheritdoc/>
    public override string Destination => $"abs://{AccountName}@{Endpoint}/{Container}/{Path}";
}

/// <summary>A directory on an SFTP server.</summary>
/// <param name="Host">Host, with port if not 22.</param>
/// <param name="User">Account.</param>
/// <param name="Path">Path as the server sees it.</param>
public sealed record SftpTarget(string Host, string User, string Path) : ReplicaTarget("sftp")
{
    /// <summary>Password; empty = none.</summary>
    public string Password { get; init; } = "";

    /// <summary>Private key file; empty = none.</summary>
    public string KeyPath { get; init; } = "";

    /// <summary>Expected host key in authorized_keys form; empty = known hosts.</summary>
    public string HostKey { get; init; } = "";

    /// <summary>Passphrase of the private key; empty = none.</summary>
    public string KeyPassphrase { get; init; } = "";

    /// <summary>Refuse a server whose key is not known (decision D36).</summary>
    public bool StrictHostKey { get; init; }

    /// <summary>Several write requests in flight.</summary>
    public bool ConcurrentWrites { get; init; } = true;

    /// <inheritdoc/>
    public override string Destination => $"sftp://{User}@{Host}/{Path}";
}

/// <summary>A WebDAV collection.</summary>
/// <param name="Url">Base URL of the server.</param>
/// <param name="Path">Path below it.</param>
public sealed record WebDavTarget(string Url, string Path) : ReplicaTarget("webdav")
{
    /// <summary>Account; empty = none.</summary>
    public string Username { get; init; } = "";

    /// <summary>Password.</summary>
    public string Password { get; init; } = "";

    /// <inheritdoc/>
    public override string Destination => $"{Url}/{Path}";
}

/// <summary>A NATS object-store bucket.</summary>
/// <param name="Url">Server URL without credentials.</param>
/// <param name="Bucket">Bucket name.</param>
public sealed record NatsTarget(string Url, string Bucket) : ReplicaTarget("nats")
{
    /// <summary>JWT and <see cref="Seed"/>: first choice of credentials.</summary>
    public string Jwt { get; init; } = "";

    /// <summary>Seed of the JWT.</summary>
    public string Seed { get; init; } = "";

    /// <summary>Credentials file.</summary>
    public string Creds { get; init; } = "";

    /// <summary>NKey seed.</summary>
    public string NKey { get; init; } = "";

    /// <summary>Account.</summary>
    public string Username { get; init; } = "";

    /// <summary>Password.</summary>
    public string Password { get; init; } = "";

    /// <summary>Token.</summary>
    public string Token { get; init; } = "";

    /// <summary>Use TLS.</summary>
    public bool Tls { get; init; }

    /// <summary>Files with root certificates.</summary>
    public IReadOnlyList<string> RootCas { get; init; } = [];

    /// <summary>Client certificate file; goes with <see cref="ClientKey"/>.</summary>
    public string ClientCert { get; init; } = "";

    /// <summary>Client key file.</summary>
    public string ClientKey { get; init; } = "";

    /// <summary>Reconnections tried; -1 = for ever.</summary>
    public int MaxReconnects { get; init; } = -1;

    /// <summary>Pause between reconnections.</summary>
    public TimeSpan ReconnectWait { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Connect time limit.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public override string Destination => $"{Url}/{Bucket}";
}
