using Litestream.Storage;

namespace Litestream.Configuration.Targets;

/// <summary>
/// Turns a replica's settings into a typed target (§4). Only keys written on the replica itself can contradict its URL;
/// inherited ones give way (trap B22).
/// </summary>
internal sealed class ReplicaTargetResolver(ConfigurationHost host)
{
    private readonly PathExpander paths = new(host);

    /// <summary>Resolves a replica.</summary>
    /// <param name="own">What is written on the replica.</param>
    /// <param name="defaults">Top-level settings.</param>
    /// <param name="relative">For a database of a directory entry: its path below the directory (§5); else empty.</param>
    /// <exception cref="ConfigurationException">The settings contradict each other or something is missing.</exception>
    public ReplicaTarget Resolve(ReplicaSettings own, ReplicaSettings defaults, string relative = "")
    {
        string path = own.Path ?? "";
        if (ReplicaUrl.LooksLikeUrl(path))
        {
            throw new ConfigurationException($"replica path cannot be a url, please use the 'url' field instead: {SecretsInUrl.Redact(path)}");
        }

        string text = own.Url ?? "";
        bool isArn = text.StartsWith("s3://arn:", StringComparison.OrdinalIgnoreCase);
        ReplicaUrl url = isArn ? new ReplicaUrl() : ReplicaUrl.Parse(text);
        string scheme = isArn ? "s3" : url.Scheme;
        string type = scheme switch
        {
            "" => own.Type is { Length: > 0 } given ? given : "file",
            "webdavs" => "webdav",
            _ => scheme,
        };
        if (!ReplicaTarget.KnownTypes.Contains(type))
        {
            throw new ConfigurationException(
                $"unknown replica type in config: \"{type}\" (supported: {string.Join(", ", ReplicaTarget.KnownTypes)})");
        }

        CheckConflicts(own, type);
        ReplicaSettings settings = own.WithDefaults(defaults);
        Source source = new(settings, scheme.Length > 0 ? url : null, text, relative);
        return type switch
        {
            "file" => File(source),
            "s3" => S3(source),
            "gs" => new GcsTarget(Required(source.Bucket(url.Host), "bucket", type), source.Path(url.Key)),
            "abs" => Abs(source),
            "oss" => Oss(source),
            "sftp" => Sftp(source),
            "webdav" => WebDav(source),
            _ => Nats(source),
        };
    }

    private static void CheckConflicts(ReplicaSettings own, string type)
    {
        if (own.Url is not { Length: > 0 } || type == "nats")
        {
            return;
        }

        (string Key, string? Value)[] exclusive = type switch
        {
            "s3" or "gs" or "abs" or "oss" => [("path", own.Path), ("bucket", own.Bucket)],
            "sftp" => [("path", own.Path), ("host", own.Host)],
            "webdav" => [("path", own.Path), ("webdav-url", own.WebDavUrl)],
            _ => [("path", own.Path)],
        };
        foreach ((string key, string? value) in exclusive)
        {
            if (!string.IsNullOrEmpty(value))
            {
                throw new ConfigurationException($"cannot specify url & {key} for {type} replica");
            }
        }
    }

    private FileTarget File(Source source)
    {
        string text = source.Text;
        if (source.Url is { } url)
        {
            string suffix = url.Fragment.Length > 0 ? "#" + url.Fragment : "";
            string authority = url.Host.Length > 0 ? "/" + url.Host : "";
            string decoded = Absolute(authority + url.Path + suffix, source.Relative);
            string encoded = Absolute(authority + url.EncodedPath + suffix, ReplicaUrl.EncodePath(source.Relative));

            // Upstream writes to the encoded name; where only that exists, it is the replica (trap B24).
            bool legacy = encoded != decoded && host.Files.Stat(decoded) is null && host.Files.Stat(encoded) is not null;
            return new FileTarget(legacy ? encoded : decoded);
        }

        if (text.Length > 0)
        {
            // "s3:" and the like are a scheme with nothing behind it; upstream takes that as the working directory.
            return text.EndsWith(':')
                ? new FileTarget(Absolute("", source.Relative))
                : throw new ConfigurationException("replica url scheme required: " + text);
        }

        string path = source.Settings.Path ?? "";
        if (path.Length == 0 && source.Relative.Length == 0)
        {
            throw new ConfigurationException("file replica path required");
        }

        return new FileTarget(paths.Expand(path.Length == 0 ? source.Relative : Source.Join(path, source.Relative)));
    }

    private string Absolute(string path, string relative) =>
        paths.MakeAbsolute(Source.Join(path.Length == 0 ? "." : path, relative));

    private S3Target S3(Source source)
    {
        ReplicaSettings s = source.Settings;
        S3Url url = source.Text.Length > 0 && ReplicaUrl.LooksLikeUrl(source.Text) ? S3Url.Parse(source.Text) : new S3Url("", "");
        string endpoint = s.Endpoint is { Length: > 0 } given ? given : url.Endpoint;
        bool byVariable = endpoint.Length == 0 && !url.Bucket.StartsWith("arn:", StringComparison.OrdinalIgnoreCase);
        if (byVariable && host.GetVariable("LITESTREAM_S3_ENDPOINT") is { Length: > 0 } everywhere)
        {
            endpoint = S3Url.WithScheme(everywhere);
        }

        string region = s.Region is { Length: > 0 } named ? named : url.Region;
        bool keys = s.AccessKeyId is { Length: > 0 } && s.SecretAccessKey is { Length: > 0 };
        return new S3Target(Required(url.Bucket.Length > 0 ? url.Bucket : s.Bucket ?? "", "bucket", "s3"), source.Path(url.Path))
        {
            Region = region,
            Endpoint = endpoint,
            IsWithoutPath = url.IsWithoutPath && source.Relative.Length == 0,
            ForcePathStyle = s.ForcePathStyle ?? url.ForcePathStyle ?? (endpoint.Length > 0 && url.Endpoint.Length == 0 ? true : null),
            SignPayload = s.SignPayload ?? url.SignPayload,
            RequireContentMd5 = s.RequireContentMd5 ?? url.RequireContentMd5,
            SkipVerify = url.SkipVerify ?? s.SkipVerify ?? false,
            StorageClass = s.StorageClass is { Length: > 0 } storage ? storage : url.StorageClass,
            PartSize = s.PartSize ?? url.PartSize,
            Concurrency = s.Concurrency ?? url.Concurrency,
            AccessKeyId = keys ? s.AccessKeyId! : "",
            SecretAccessKey = keys ? s.SecretAccessKey! : "",
            Encryption = new(
                First(s.SseCustomerAlgorithm, url.Encryption.Algorithm), First(s.SseCustomerKey, url.Encryption.Key),
                s.SseCustomerKeyPath ?? "", First(s.SseKmsKeyId, url.Encryption.KmsKeyId)),
        };
    }

    private static OssTarget Oss(Source source)
    {
        ReplicaSettings s = source.Settings;
        (string bucket, string region) = (source.Url?.Host ?? "", "");
        if (bucket.Split('.') is [string name, string place, "aliyuncs", "com"] && place.StartsWith("oss-", StringComparison.Ordinal))
        {
            const string inside = "-internal";
            place = place["oss-".Length..];
            (bucket, region) = (name, place.EndsWith(inside, StringComparison.Ordinal) ? place[..^inside.Length] : place);
        }

        return new OssTarget(Required(source.Bucket(bucket), "bucket", "oss"), source.Path(source.Url?.Key ?? ""))
        {
            Region = First(s.Region, region),
            Endpoint = s.Endpoint ?? "",
            AccessKeyId = s.AccessKeyId ?? "",
            SecretAccessKey = s.SecretAccessKey ?? "",
            PartSize = s.PartSize,
            Concurrency = s.Concurrency,
        };
    }

    private static AbsTarget Abs(Source source) =>
        new(Required(source.Bucket(source.Url?.Host ?? ""), "bucket", "abs"), source.Path(source.Url?.Key ?? ""))
        {
            AccountName = First(source.Settings.AccountName, source.Url?.User),
            AccountKey = source.Settings.AccountKey ?? "",
            SasToken = source.Settings.SasToken ?? "",
            Endpoint = source.Settings.Endpoint ?? "",
        };

    private static SftpTarget Sftp(Source source)
    {
        ReplicaSettings s = source.Settings;
        string server = Required(source.Url is { } url ? url.Host : s.Host ?? "", "host", "sftp");
        string user = Required(source.Url is { User.Length: > 0 } named ? named.User : s.User ?? "", "user", "sftp");
        return new SftpTarget(server, user, source.Path("/" + (source.Url?.Key ?? "")))
        {
            Password = source.Url is { Password.Length: > 0 } secret ? secret.Password : s.Password ?? "",
            KeyPath = s.KeyPath ?? "",
            HostKey = s.HostKey ?? "",
            KeyPassphrase = s.KeyPassphrase ?? "",
            StrictHostKey = s.StrictHostKey ?? false,
            ConcurrentWrites = s.ConcurrentWrites ?? true,
        };
    }

    private static WebDavTarget WebDav(Source source)
    {
        ReplicaSettings s = source.Settings;
        string server = source.Url is { } url
            ? (url.Scheme == "webdavs" ? "https://" : "http://") + url.Host
            : Required(s.WebDavUrl ?? "", "webdav-url", "webdav");
        return new WebDavTarget(server, source.Path("/" + (source.Url?.Key ?? "")))
        {
            Username = source.Url is { User.Length: > 0 } named ? named.User : s.WebDavUsername ?? "",
            Password = source.Url is { User.Length: > 0 } secret ? secret.Password : s.WebDavPassword ?? "",
        };
    }

    private static NatsTarget Nats(Source source)
    {
        ReplicaSettings s = source.Settings;
        if (string.IsNullOrEmpty(s.ClientCert) != string.IsNullOrEmpty(s.ClientKey))
        {
            throw new ConfigurationException("client-cert and client-key must both be specified for mutual TLS authentication");
        }

        // A URL without a path leaves the bucket to the key of that name (trap B26); its account is used (trap B27).
        string bucket = source.Url?.Key is { Length: > 0 } key ? key : s.Bucket ?? "";
        string server = source.Url is { } url ? "nats://" + url.Host : s.Host ?? "";
        if (bucket.Length == 0 && source.Url is null)
        {
            throw new ConfigurationException("bucket required for NATS replica");
        }

        return new NatsTarget(server, Source.Join(bucket, source.Relative))
        {
            Jwt = s.Jwt ?? "",
            Seed = s.Seed ?? "",
            Creds = s.Creds ?? "",
            NKey = s.NKey ?? "",
            Username = First(s.Username, source.Url?.User),
            Password = First(s.Password, source.Url?.Password),
            Token = s.Token ?? "",
            Tls = s.Tls ?? false,
            RootCas = s.RootCas ?? [],
            ClientCert = s.ClientCert ?? "",
            ClientKey = s.ClientKey ?? "",
            MaxReconnects = s.MaxReconnects ?? -1,
            ReconnectWait = s.ReconnectWait ?? TimeSpan.FromSeconds(2),
            Timeout = s.Timeout ?? TimeSpan.FromSeconds(10),
        };
    }

    private static string First(string? preferred, string? other) => preferred is { Length: > 0 } ? preferred : other ?? "";

    private static string Required(string value, string key, string type) =>
        value.Length > 0 ? value : throw new ConfigurationException($"{key} required for {type} replica");

    /// <summary>Settings and URL of the replica being resolved.</summary>
    private sealed record Source(ReplicaSettings Settings, ReplicaUrl? Url, string Text, string Relative)
    {
        public static string Join(string path, string relative) =>
            relative.Length == 0 ? path : path.Length == 0 ? relative : path.TrimEnd('/') + "/" + relative;

        public string Bucket(string fromUrl) => fromUrl.Length > 0 ? fromUrl : Settings.Bucket ?? "";

        /// <summary>Path of the URL or the <c>path</c> key, with the place of the database below a directory entry.</summary>
        public string Path(string fromUrl) => Join(Text.Length > 0 ? fromUrl : Settings.Path ?? "", Relative);
    }
}
