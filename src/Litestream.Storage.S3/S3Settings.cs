using System.Globalization;

namespace Litestream.Storage.S3;

/// <summary>Checked settings of a bucket: where requests go and how they look.</summary>
internal sealed record S3Settings
{
    /// <summary>Smallest part that S3 takes, except the last (trap T28).</summary>
    public const long MinPartSize = 5L << 20;

    /// <summary>Largest part, and largest object in one request: 5 GiB.</summary>
    public const long MaxPartSize = 5L << 30;

    private const string DefaultRegion = "us-east-1";

    /// <summary>Name or ARN of the bucket, for messages.</summary>
    public required string Bucket { get; init; }

    /// <summary>Region of the signature; empty = has to be asked for.</summary>
    public required string Region { get; init; }

    /// <summary><c>https://host</c> without path.</summary>
    public required string Origin { get; init; }

    /// <summary>Value of the <c>Host</c> header.</summary>
    public required string Host { get; init; }

    /// <summary>Encoded path of the bucket: of the endpoint, and in path style the bucket; without trailing slash.</summary>
    public required string BucketPath { get; init; }

    /// <summary>What the server needs.</summary>
    public required S3Provider Provider { get; init; }

    /// <summary>Whether bodies are hashed.</summary>
    public required bool SignPayload { get; init; }

    /// <summary>Whether batch deletes carry <c>Content-MD5</c>.</summary>
    public required bool ContentMd5 { get; init; }

    /// <summary>Bytes of a part.</summary>
    public required long PartSize { get; init; }

    /// <summary>Parts in flight at a time.</summary>
    public required int Concurrency { get; init; }

    /// <summary>Headers of encryption.</summary>
    public required S3Encryption Encryption { get; init; }

    /// <summary>Storage class of new objects; may be empty.</summary>
    public required string StorageClass { get; init; }

    /// <summary>Directory buckets (S3 Express) neither sort nor take a start key.</summary>
    public bool IsDirectoryBucket => Bucket.EndsWith("--x-s3", StringComparison.Ordinal);

    /// <summary>Checks options.</summary>
    /// <param name="options">As configured.</param>
    /// <param name="region">Region that was asked for; null = not yet.</param>
    /// <param name="files">Where a key file is read.</param>
    /// <param name="home">Home directory.</param>
    /// <exception cref="ReplicaException">They cannot be used.</exception>
    public static S3Settings Resolve(S3Options options, string? region, IFileSystem files, string? home)
    {
        Require(options.Bucket.Length > 0, "bucket required for s3 replica");
        long partSize = options.PartSize ?? MinPartSize;
        Require(partSize >= MinPartSize, string.Create(CultureInfo.InvariantCulture, $"part size must be at least {MinPartSize} bytes (5MiB), not {partSize}: 5MB is less"));
        Require(partSize <= MaxPartSize, $"part size must be at most 5GiB, not {partSize} bytes");
        Require(options.Concurrency is null or >= 1, "concurrency must be at least 1");
        Uri? endpoint = ParseEndpoint(options.Endpoint);
        S3Provider provider = S3Provider.Detect(options.Endpoint);
        bool isArn = options.Bucket.StartsWith("arn:", StringComparison.OrdinalIgnoreCase);
        (string origin, string host, string path, string used) = isArn
            ? LocateAccessPoint(options)
            : Locate(options, endpoint, provider, region);
        return new S3Settings
        {
            Bucket = options.Bucket,
            Region = used,
            Origin = options.ConnectTo.Length > 0 ? options.ConnectTo : origin,
            Host = host,
            BucketPath = path,
            Provider = provider,
            SignPayload = options.SignPayload ?? true,
            ContentMd5 = options.RequireContentMd5 ?? provider.ContentMd5,
            PartSize = partSize,
            Concurrency = options.Concurrency ?? provider.Concurrency,
            Encryption = S3Encryption.Resolve(options, endpoint, files, home),
            StorageClass = options.StorageClass,
        };
    }

    /// <summary>Settings of the request that asks for the bucket's region: path style in us-east-1, where every bucket can be asked.</summary>
    public S3Settings ForRegionLookup() => this with
    {
        Region = DefaultRegion,
        Origin = Origin.Contains("amazonaws.com", StringComparison.Ordinal) ? "https://" + AwsHost(DefaultRegion) : Origin,
        Host = AwsHost(DefaultRegion),
        BucketPath = "/" + PercentEncoding.Query(Bucket),
    };

    /// <summary>Path of a key as it is sent and signed; null = the bucket itself.</summary>
    public string PathOf(string? key) =>
        key is null ? (BucketPath.Length == 0 ? "/" : BucketPath) : $"{BucketPath}/{PercentEncoding.Path(key)}";

    private static (string Origin, string Host, string Path, string Region) Locate(S3Options options, Uri? endpoint, S3Provider provider, string? region)
    {
        string used = options.Region.Length > 0 ? options.Region : region ?? (endpoint is null ? "" : DefaultRegion);
        string host = endpoint?.Authority ?? AwsHost(used.Length == 0 ? DefaultRegion : used);
        string scheme = endpoint?.Scheme ?? Uri.UriSchemeHttps;
        string basePath = endpoint is null ? "" : endpoint.AbsolutePath.TrimEnd('/');
        if (endpoint is null && options.Bucket.EndsWith("--x-s3", StringComparison.Ordinal))
        {
            throw new ReplicaException(
                "s3: directory buckets (S3 Express) need session credentials, which this program does not ask for: use a general purpose bucket",
                isTransient: false);
        }

        // A certificate for *.s3.R.amazonaws.com does not cover a bucket name with dots.
        bool pathStyle = options.ForcePathStyle
            ?? (provider.ForcesPathStyle || endpoint is not null || options.Bucket.Contains('.', StringComparison.Ordinal));
        string bucket = PercentEncoding.Query(options.Bucket);
        if (pathStyle)
        {
            return ($"{scheme}://{host}", host, $"{basePath}/{bucket}", used);
        }

        string own = $"{options.Bucket}.{host}";
        Require(Uri.TryCreate($"{scheme}://{own}", UriKind.Absolute, out _), $"bucket {options.Bucket} cannot be part of a host name: set force-path-style");
        return ($"{scheme}://{own}", own, basePath, used);
    }

    private static (string Origin, string Host, string Path, string Region) LocateAccessPoint(S3Options options)
    {
        // arn:partition:s3:region:account:accesspoint/name, or a colon before the name.
        string[] parts = options.Bucket.Split(':', 6);
        string resource = parts.Length == 6 ? parts[5] : "";
        string name = resource.StartsWith("accesspoint/", StringComparison.Ordinal) || resource.StartsWith("accesspoint:", StringComparison.Ordinal)
            ? resource["accesspoint/".Length..] : "";
        Require(
            name.Length > 0 && !name.Contains('/', StringComparison.Ordinal) && parts[2].Equals("s3", StringComparison.OrdinalIgnoreCase) && parts[3].Length > 0 && parts[4].Length > 0,
            $"bucket {options.Bucket} is no ARN of an access point (arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME)");
        Require(options.ForcePathStyle != true, "an access point cannot be addressed in path style: remove force-path-style");
        Require(options.Endpoint.Length == 0, "an access point is addressed by its ARN alone: remove endpoint");
        string region = parts[3];
        string host = $"{name}-{parts[4]}.s3-accesspoint.{region}.{Domain(region)}";
        return ($"https://{host}", host, "", region);
    }

    private static Uri? ParseEndpoint(string endpoint)
    {
        if (endpoint.Length == 0)
        {
            return null;
        }

        string full = endpoint.Contains("://", StringComparison.Ordinal) ? endpoint : "https://" + endpoint;
        Require(
            Uri.TryCreate(full, UriKind.Absolute, out Uri? uri) && uri.Host.Length > 0 && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps),
            "endpoint is no http or https address");
        Require(uri!.UserInfo.Length == 0, "endpoint must not hold a user name: use access-key-id and secret-access-key");
        return uri;
    }

    private static string AwsHost(string region) => $"s3.{region}.{Domain(region)}";

    private static string Domain(string region) => region.StartsWith("cn-", StringComparison.Ordinal) ? "amazonaws.com.cn" : "amazonaws.com";

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new ReplicaException("s3: " + message, isTransient: false);
        }
    }
}
