using Litestream.Storage.Transport;

namespace Litestream.Storage.S3;

/// <summary>An S3 replica as configured (backends §3.3). Values that are not set follow the provider (backends §4.2).</summary>
public sealed record S3Options
{
    /// <summary>Bucket, or the ARN of an access point, whose region then counts.</summary>
    public string Bucket { get; init; } = "";

    /// <summary>Path below which the replica lies, taken byte for byte: nothing is cleaned, an empty path gives keys such as <c>/0000/…</c> (trap T3).</summary>
    public string Path { get; init; } = "";

    /// <summary>Region; empty = <c>us-east-1</c> with an endpoint, else the one of the bucket, asked for once.</summary>
    public string Region { get; init; } = "";

    /// <summary>Server instead of AWS; without scheme <c>https://</c>. A path in it is kept. Empty = AWS.</summary>
    public string Endpoint { get; init; } = "";

    /// <summary>Bucket in the path instead of in the host name; null = as the provider needs.</summary>
    public bool? ForcePathStyle { get; init; }

    /// <summary>Hash of every body in its signature; null = yes.</summary>
    public bool? SignPayload { get; init; }

    /// <summary><c>Content-MD5</c> on batch deletes; null = as the provider needs.</summary>
    public bool? RequireContentMd5 { get; init; }

    /// <summary>True: certificates are not checked.</summary>
    public bool SkipVerify { get; init; }

    /// <summary>Storage class of new objects; empty = the bucket's.</summary>
    public string StorageClass { get; init; } = "";

    /// <summary>Bytes of a part, 5 MiB to 5 GiB; null = 5 MiB. Objects below that size go in one request.</summary>
    public long? PartSize { get; init; }

    /// <summary>Parts in flight at a time, at least 1; null = 5, on Cloudflare R2 2.</summary>
    public int? Concurrency { get; init; }

    /// <summary>Access key; used only together with <see cref="SecretAccessKey"/>. Empty = the AWS default chain.</summary>
    public string AccessKeyId { get; init; } = "";

    /// <summary>Secret of the access key.</summary>
    public string SecretAccessKey { get; init; } = "";

    /// <summary>SSE-C algorithm; empty or <c>AES256</c>.</summary>
    public string SseCustomerAlgorithm { get; init; } = "";

    /// <summary>SSE-C key: 32 bytes in base64.</summary>
    public string SseCustomerKey { get; init; } = "";

    /// <summary>File that holds the SSE-C key; wins over <see cref="SseCustomerKey"/>. A leading <c>~/</c> is the home directory.</summary>
    public string SseCustomerKeyPath { get; init; } = "";

    /// <summary>MD5 of the raw SSE-C key in base64; empty = computed.</summary>
    public string SseCustomerKeyMd5 { get; init; } = "";

    /// <summary>KMS key for SSE-KMS; empty = none.</summary>
    public string SseKmsKeyId { get; init; } = "";

    /// <summary>
    /// A path to use instead of <see cref="Path"/> if there are objects under it; null = none. For URLs without a path: releases of the original program
    /// wrote their objects under <c>./</c> (backends §1.2), and a backup must be found where it is. Costs one listing.
    /// </summary>
    public string? FormerPath { get; init; }

    /// <summary>
    /// Reads the bucket as it was at this time, by the store's clock and inclusive (decision D38): needs a versioned bucket and refuses writes.
    /// Null = as it is.
    /// </summary>
    public DateTimeOffset? AsOf { get; init; }

    /// <summary>Where parts wait that are too large for memory: the state directory of the database.</summary>
    public UploadSpool Spool { get; init; } = UploadSpool.Temporary;

    /// <summary>Origin (<c>http://127.0.0.1:port</c>) to send to instead of the real one, which stays in the <c>Host</c> header: for tests of AWS names.</summary>
    internal string ConnectTo { get; init; } = "";

    /// <summary>Bucket and path only: options hold secrets.</summary>
    public override string ToString() => $"s3://{Bucket}/{Path}";
}
