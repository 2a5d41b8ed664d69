using Litestream.Configuration.Yaml;

namespace Litestream.Configuration;

/// <summary>
/// The replica keys of the configuration file (§3.6), as written: null = not written. They stand on a replica or, as
/// defaults for all replicas, at top level.
/// </summary>
internal sealed class ReplicaSettings
{
    private static FieldTable<ReplicaSettings> AgeFields { get; } = new()
    {
        ["identities"] = (r, n, d) => r.Encrypted |= d.Texts(n) is { Count: > 0 },
        ["recipients"] = (r, n, d) => r.Encrypted |= d.Texts(n) is { Count: > 0 },
    };

    /// <summary>Keys that name one replica and are therefore no defaults.</summary>
    public static FieldTable<ReplicaSettings> Identity { get; } = new()
    {
        ["type"] = (r, n, d) => r.Type = d.Text(n),
        ["url"] = (r, n, d) => r.Url = d.Text(n),
        ["path"] = (r, n, d) => r.Path = d.Text(n),
        ["name"] = (_, n, d) => d.Text(n),
    };

    /// <summary>Keys that may also stand at top level as defaults.</summary>
    public static FieldTable<ReplicaSettings> Shared { get; } = new()
    {
        ["sync-interval"] = (r, n, d) => r.SyncInterval = d.Duration(n),
        ["validation-interval"] = (r, n, d) => r.ValidationInterval = d.Duration(n),
        ["max-sync-ltx-files"] = (r, n, d) => r.MaxSyncLtxFiles = (int?)d.Integer(n, "int", int.MinValue, int.MaxValue),
        ["auto-recover"] = (r, n, d) => r.AutoRecover = d.Boolean(n),
        ["access-key-id"] = (r, n, d) => r.AccessKeyId = d.Text(n),
        ["secret-access-key"] = (r, n, d) => r.SecretAccessKey = d.Text(n),
        ["region"] = (r, n, d) => r.Region = d.Text(n),
        ["bucket"] = (r, n, d) => r.Bucket = d.Text(n),
        ["endpoint"] = (r, n, d) => r.Endpoint = d.Text(n),
        ["force-path-style"] = (r, n, d) => r.ForcePathStyle = d.Boolean(n),
        ["sign-payload"] = (r, n, d) => r.SignPayload = d.Boolean(n),
        ["require-content-md5"] = (r, n, d) => r.RequireContentMd5 = d.Boolean(n),
        ["skip-verify"] = (r, n, d) => r.SkipVerify = d.Boolean(n),
        ["storage-class"] = (r, n, d) => r.StorageClass = d.Text(n),
        ["part-size"] = (r, n, d) => r.PartSize = d.Size(n),
        ["concurrency"] = (r, n, d) => r.Concurrency = (int?)d.Integer(n, "int", int.MinValue, int.MaxValue),
        ["sse-customer-algorithm"] = (r, n, d) => r.SseCustomerAlgorithm = d.Text(n),
        ["sse-customer-key"] = (r, n, d) => r.SseCustomerKey = d.Text(n),
        ["sse-customer-key-path"] = (r, n, d) => r.SseCustomerKeyPath = d.Text(n),
        ["sse-kms-key-id"] = (r, n, d) => r.SseKmsKeyId = d.Text(n),
        ["account-name"] = (r, n, d) => r.AccountName = d.Text(n),
        ["account-key"] = (r, n, d) => r.AccountKey = d.Text(n),
        ["sas-token"] = (r, n, d) => r.SasToken = d.Text(n),
        ["host"] = (r, n, d) => r.Host = d.Text(n),
        ["user"] = (r, n, d) => r.User = d.Text(n),
        ["password"] = (r, n, d) => r.Password = d.Text(n),
        ["key-path"] = (r, n, d) => r.KeyPath = d.Text(n),
        ["host-key"] = (r, n, d) => r.HostKey = d.Text(n),
        ["key-passphrase"] = (r, n, d) => r.KeyPassphrase = d.Text(n),
        ["strict-host-key"] = (r, n, d) => r.StrictHostKey = d.Boolean(n),
        ["concurrent-writes"] = (r, n, d) => r.ConcurrentWrites = d.Boolean(n),
        ["webdav-url"] = (r, n, d) => r.WebDavUrl = d.Text(n),
        ["webdav-username"] = (r, n, d) => r.WebDavUsername = d.Text(n),
        ["webdav-password"] = (r, n, d) => r.WebDavPassword = d.Text(n),
        ["jwt"] = (r, n, d) => r.Jwt = d.Text(n),
        ["seed"] = (r, n, d) => r.Seed = d.Text(n),
        ["creds"] = (r, n, d) => r.Creds = d.Text(n),
        ["nkey"] = (r, n, d) => r.NKey = d.Text(n),
        ["username"] = (r, n, d) => r.Username = d.Text(n),
        ["token"] = (r, n, d) => r.Token = d.Text(n),
        ["tls"] = (r, n, d) => r.Tls = d.Boolean(n),
        ["root-cas"] = (r, n, d) => r.RootCas = d.Texts(n),
        ["client-cert"] = (r, n, d) => r.ClientCert = d.Text(n),
        ["client-key"] = (r, n, d) => r.ClientKey = d.Text(n),
        ["max-reconnects"] = (r, n, d) => r.MaxReconnects = (int?)d.Integer(n, "int", int.MinValue, int.MaxValue),
        ["reconnect-wait"] = (r, n, d) => r.ReconnectWait = d.Duration(n),
        ["timeout"] = (r, n, d) => r.Timeout = d.Duration(n),
        ["age"] = (r, n, d) => d.Map(n, r, AgeFields, "age"),
    };

    /// <summary>All keys of a replica.</summary>
    public static FieldTable<ReplicaSettings> Fields { get; } = Combine(Identity, Shared);

    public string? Type { get; set; }

    public string? Url { get; set; }

    public string? Path { get; set; }

    public TimeSpan? SyncInterval { get; set; }

    public TimeSpan? ValidationInterval { get; set; }

    public int? MaxSyncLtxFiles { get; set; }

    public bool? AutoRecover { get; set; }

    public string? AccessKeyId { get; set; }

    public string? SecretAccessKey { get; set; }

    public string? Region { get; set; }

    public string? Bucket { get; set; }

    public string? Endpoint { get; set; }

    public bool? ForcePathStyle { get; set; }

    public bool? SignPayload { get; set; }

    public bool? RequireContentMd5 { get; set; }

    public bool? SkipVerify { get; set; }

    public string? StorageClass { get; set; }

    public long? PartSize { get; set; }

    public int? Concurrency { get; set; }

    public string? SseCustomerAlgorithm { get; set; }

    public string? SseCustomerKey { get; set; }

    public string? SseCustomerKeyPath { get; set; }

    public string? SseKmsKeyId { get; set; }

    public string? AccountName { get; set; }

    public string? AccountKey { get; set; }

    public string? SasToken { get; set; }

    public string? Host { get; set; }

    public string? User { get; set; }

    public string? Password { get; set; }

    public string? KeyPath { get; set; }

    public string? HostKey { get; set; }

    public string? KeyPassphrase { get; set; }

    public bool? StrictHostKey { get; set; }

    public bool? ConcurrentWrites { get; set; }

    public string? WebDavUrl { get; set; }

    public string? WebDavUsername { get; set; }

    public string? WebDavPassword { get; set; }

    public string? Jwt { get; set; }

    public string? Seed { get; set; }

    public string? Creds { get; set; }

    public string? NKey { get; set; }

    public string? Username { get; set; }

    public string? Token { get; set; }

    public bool? Tls { get; set; }

    public List<string>? RootCas { get; set; }

    public string? ClientCert { get; set; }

    public string? ClientKey { get; set; }

    public int? MaxReconnects { get; set; }

    public TimeSpan? ReconnectWait { get; set; }

    public TimeSpan? Timeout { get; set; }

    /// <summary>True if <c>age</c> names a key: the backup would not be encrypted, so it must not start (§3.6).</summary>
    public bool Encrypted { get; set; }

    /// <summary>These settings with the unset ones taken from the defaults; identity keys are never inherited (trap A30).</summary>
    public ReplicaSettings WithDefaults(ReplicaSettings defaults) => new()
    {
        Type = Type,
        Url = Url,
        Path = Path,
        SyncInterval = SyncInterval ?? defaults.SyncInterval,
        ValidationInterval = ValidationInterval ?? defaults.ValidationInterval,
        MaxSyncLtxFiles = MaxSyncLtxFiles ?? defaults.MaxSyncLtxFiles,
        AutoRecover = AutoRecover ?? defaults.AutoRecover,
        AccessKeyId = Pick(AccessKeyId, defaults.AccessKeyId),
        SecretAccessKey = Pick(SecretAccessKey, defaults.SecretAccessKey),
        Region = Pick(Region, defaults.Region),
        Bucket = Pick(Bucket, defaults.Bucket),
        Endpoint = Pick(Endpoint, defaults.Endpoint),
        ForcePathStyle = ForcePathStyle ?? defaults.ForcePathStyle,
        SignPayload = SignPayload ?? defaults.SignPayload,
        RequireContentMd5 = RequireContentMd5 ?? defaults.RequireContentMd5,
        SkipVerify = SkipVerify is true || defaults.SkipVerify is true ? true : SkipVerify ?? defaults.SkipVerify,
        StorageClass = Pick(StorageClass, defaults.StorageClass),
        PartSize = PartSize ?? defaults.PartSize,
        Concurrency = Concurrency ?? defaults.Concurrency,
        SseCustomerAlgorithm = Pick(SseCustomerAlgorithm, defaults.SseCustomerAlgorithm),
        SseCustomerKey = Pick(SseCustomerKey, defaults.SseCustomerKey),
        SseCustomerKeyPath = Pick(SseCustomerKeyPath, defaults.SseCustomerKeyPath),
        SseKmsKeyId = Pick(SseKmsKeyId, defaults.SseKmsKeyId),
        AccountName = Pick(AccountName, defaults.AccountName),
        AccountKey = Pick(AccountKey, defaults.AccountKey),
        SasToken = Pick(SasToken, defaults.SasToken),
        Host = Pick(Host, defaults.Host),
        User = Pick(User, defaults.User),
        Password = Pick(Password, defaults.Password),
        KeyPath = Pick(KeyPath, defaults.KeyPath),
        HostKey = Pick(HostKey, defaults.HostKey),
        KeyPassphrase = Pick(KeyPassphrase, defaults.KeyPassphrase),
        StrictHostKey = StrictHostKey ?? defaults.StrictHostKey,
        ConcurrentWrites = ConcurrentWrites ?? defaults.ConcurrentWrites,
        WebDavUrl = Pick(WebDavUrl, defaults.WebDavUrl),
        WebDavUsername = Pick(WebDavUsername, defaults.WebDavUsername),
        WebDavPassword = Pick(WebDavPassword, defaults.WebDavPassword),
        Jwt = Pick(Jwt, defaults.Jwt),
        Seed = Pick(Seed, defaults.Seed),
        Creds = Pick(Creds, defaults.Creds),
        NKey = Pick(NKey, defaults.NKey),
        Username = Pick(Username, defaults.Username),
        Token = Pick(Token, defaults.Token),
        Tls = Tls ?? defaults.Tls,
        RootCas = RootCas is { Count: > 0 } ? RootCas : defaults.RootCas,
        ClientCert = Pick(ClientCert, defaults.ClientCert),
        ClientKey = Pick(ClientKey, defaults.ClientKey),
        MaxReconnects = MaxReconnects ?? defaults.MaxReconnects,
        ReconnectWait = ReconnectWait ?? defaults.ReconnectWait,
        Timeout = Timeout ?? defaults.Timeout,
        Encrypted = Encrypted || defaults.Encrypted,
    };

    private static string? Pick(string? own, string? inherited) => string.IsNullOrEmpty(own) ? inherited : own;

    private static FieldTable<ReplicaSettings> Combine(params ReadOnlySpan<FieldTable<ReplicaSettings>> tables)
    {
        FieldTable<ReplicaSettings> all = [];
        foreach (FieldTable<ReplicaSettings> table in tables)
        {
            foreach ((string key, Action<ReplicaSettings, YamlNode, YamlDecoder> set) in table)
            {
                all.Add(key, set);
            }
        }

        return all;
    }
}
