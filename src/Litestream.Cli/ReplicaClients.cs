using Litestream.Cli.Logging;
using Litestream.Configuration;
using Litestream.Configuration.Targets;
using Litestream.Storage;
using Litestream.Storage.Azure;
using Litestream.Storage.Gcs;
using Litestream.Storage.Nats;
using Litestream.Storage.S3;
using Litestream.Storage.S3.Oss;
using Litestream.Storage.Sftp;
using Litestream.Storage.Transport;
using Litestream.Storage.WebDav;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Litestream.Cli;

/// <summary>
/// Creates the storage clients of a process and owns what they share: connections, pacing, time limits. A backend that is added later
/// gets its line here.
/// </summary>
internal sealed class ReplicaClients(CliHost host) : IDisposable
{
    private TransportOptions options = new() { Time = host.Clock, GetVariable = name => StorageVariables.Get(host.GetVariable, name) };
    private StorageTransport? transport;

    private StorageTransport Transport => transport ??= new StorageTransport(options);

    /// <summary>Takes the limits of a configuration; called before the first client is created.</summary>
    public void Apply(LitestreamConfiguration configuration) => options = options with
    {
        ConnectTimeout = configuration.ConnectTimeout,
        IdleTimeout = configuration.IdleTimeout,
        MaxRequestsPerSecond = configuration.MaxRequestsPerSecond,
    };

    /// <summary>Where retries and warnings of the clients go; called before the first client is created.</summary>
    public void Log(ILoggerFactory? loggers) => options = options with { Logger = loggers?.CreateLogger("storage") ?? NullLogger.Instance };

    /// <summary>The client of a target.</summary>
    /// <param name="target">Where the files are.</param>
    /// <param name="database">
    /// Database whose owner and mode a directory replica takes over and whose state directory others may use; null when there is none.
    /// </param>
    /// <param name="asOf">Read the store as it was at this time; null for now.</param>
    /// <exception cref="CliException">The target cannot be used in this way.</exception>
    public IReplicaClient Create(ReplicaTarget target, DatabaseOptions? database = null, DateTimeOffset? asOf = null)
    {
        CheckAsOf(target, asOf);
        return Open(target, database, asOf);
    }

    private IReplicaClient Open(ReplicaTarget target, DatabaseOptions? database, DateTimeOffset? asOf) => target switch
    {
        FileTarget file => new FileReplicaClient(host.Files, file.Path, database?.Path),
        S3Target s3 => new S3ReplicaClient(Options(s3) with { AsOf = asOf, Spool = Spool(database) }, Transport),
        OssTarget oss => new OssReplicaClient(Options(oss) with { Spool = Spool(database) }, Transport),
        AbsTarget abs => new AzureReplicaClient(Options(abs) with { Spool = Spool(database) }, Transport),
        GcsTarget gcs => new GcsReplicaClient(Options(gcs) with { Spool = Spool(database) }, Transport),
        SftpTarget sftp => new SftpReplicaClient(Options(sftp) with { StateDirectory = database?.StateDirectory }, Transport),
        WebDavTarget dav => new WebDavReplicaClient(Options(dav) with { Spool = Spool(database) }, Transport),
        NatsTarget nats => new NatsReplicaClient(Options(nats), Transport),
        _ => throw new CliException($"replica type \"{target.Type}\" is not supported"),
    };

    /// <summary>Large parts of uploads wait beside the database: that disk has room for its copies.</summary>
    internal UploadSpool Spool(DatabaseOptions? database) =>
        database is null ? UploadSpool.Temporary : new UploadSpool(host.Files, Path.GetFullPath(database.StateDirectory));

    /// <summary>Refuses a view of the past where the store cannot give one (decision D38).</summary>
    private static void CheckAsOf(ReplicaTarget target, DateTimeOffset? asOf)
    {
        if (asOf is not null && target is not S3Target)
        {
            throw new CliException($"-as-of needs a store that keeps versions of objects: only s3 replicas can, this one is {target.Type}");
        }
    }

    internal static S3Options Options(S3Target target) => new()
    {
        Bucket = target.Bucket,
        Path = target.Path,
        FormerPath = target.IsWithoutPath ? "." : null,
        Region = target.Region,
        Endpoint = target.Endpoint,
        ForcePathStyle = target.ForcePathStyle,
        SignPayload = target.SignPayload,
        RequireContentMd5 = target.RequireContentMd5,
        SkipVerify = target.SkipVerify,
        StorageClass = target.StorageClass,
        PartSize = target.PartSize,
        Concurrency = target.Concurrency,
        AccessKeyId = target.AccessKeyId,
        SecretAccessKey = target.SecretAccessKey,
        SseCustomerAlgorithm = target.Encryption.Algorithm,
        SseCustomerKey = target.Encryption.Key,
        SseCustomerKeyPath = target.Encryption.KeyPath,
        SseKmsKeyId = target.Encryption.KmsKeyId,
    };

    internal static OssOptions Options(OssTarget target)
    {
        var options = new OssOptions
        {
            Bucket = target.Bucket,
            Path = target.Path,
            Endpoint = target.Endpoint,
            AccessKeyId = target.AccessKeyId,
            SecretAccessKey = target.SecretAccessKey,
        };
        return options with
        {
            Region = target.Region.Length > 0 ? target.Region : options.Region,
            PartSize = target.PartSize ?? options.PartSize,
            Concurrency = target.Concurrency ?? options.Concurrency,
        };
    }

    internal static GcsOptions Options(GcsTarget target) => new() { Bucket = target.Bucket, Path = target.Path };

    internal static AzureOptions Options(AbsTarget target) => new(target.Container, target.Path)
    {
        AccountName = target.AccountName,
        AccountKey = target.AccountKey,
        SasToken = target.SasToken,
        Endpoint = target.Endpoint,
    };

    internal SftpOptions Options(SftpTarget target) => new()
    {
        Host = target.Host,
        User = target.User,
        Password = target.Password.Length > 0 ? target.Password : null,
        Path = target.Path,
        KeyPath = target.KeyPath.Length > 0 ? host.Paths.Expand(target.KeyPath) : null,
        KeyPassphrase = target.KeyPassphrase.Length > 0 ? target.KeyPassphrase : null,
        HostKey = target.HostKey.Length > 0 ? target.HostKey : null,
        StrictHostKey = target.StrictHostKey,
        ConcurrentWrites = target.ConcurrentWrites,
        Files = host.Files,
    };

    internal NatsOptions Options(NatsTarget target) => new()
    {
        Url = target.Url,
        Bucket = target.Bucket,
        Jwt = target.Jwt,
        Seed = target.Seed,
        Creds = target.Creds.Length > 0 ? host.Paths.Expand(target.Creds) : "",
        NKey = target.NKey,
        Username = target.Username,
        Password = target.Password,
        Token = target.Token,
        Tls = target.Tls,
        RootCas = target.RootCas,
        ClientCert = target.ClientCert,
        ClientKey = target.ClientKey,
        MaxReconnects = target.MaxReconnects,
        ReconnectWait = target.ReconnectWait,
        Timeout = target.Timeout,
    };

    internal static WebDavOptions Options(WebDavTarget target) => new()
    {
        Url = target.Url,
        Path = target.Path,
        Username = target.Username,
        Password = target.Password,
    };

    /// <inheritdoc/>
    public void Dispose() => transport?.Dispose();
}
