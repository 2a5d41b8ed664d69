using Litestream.Storage.Transport;

namespace Litestream.Storage.S3.Oss;

/// <summary>Settings of a replica in Alibaba Cloud OSS (backends §3.3, §4.5).</summary>
public sealed record OssOptions
{
    /// <summary>Smallest part of a multipart upload that OSS takes, in bytes: 100 KiB.</summary>
    public const long MinPartSize = 100 << 10;

    /// <summary>Largest part, and largest object in one request: 5 GiB.</summary>
    public const long MaxPartSize = 5L << 30;

    /// <summary>Bucket; it is never created.</summary>
    public required string Bucket { get; init; }

    /// <summary>Path below the bucket as configured, not cleaned (layout A, trap T3). OSS takes no name that begins with a slash, so it must not be empty.</summary>
    public required string Path { get; init; }

    /// <summary>Region, with or without <c>oss-</c>. Default <c>cn-hangzhou</c>.</summary>
    public string Region { get; init; } = "cn-hangzhou";

    /// <summary>Host or URL of the service; empty = the region's public endpoint. Without a scheme: https.</summary>
    public string Endpoint { get; init; } = "";

    /// <summary>Key id; used only together with <see cref="SecretAccessKey"/>, else the environment is asked.</summary>
    public string AccessKeyId { get; init; } = "";

    /// <summary>Secret of the key.</summary>
    public string SecretAccessKey { get; init; } = "";

    /// <summary>Bytes of a part, <see cref="MinPartSize"/> to <see cref="MaxPartSize"/>. Default 6 MiB. Smaller files are sent in one request.</summary>
    public long PartSize { get; init; } = 6 << 20;

    /// <summary>Parts in flight at a time. Default 3.</summary>
    public int Concurrency { get; init; } = 3;

    /// <summary>Where parts wait that are too large for memory: the state directory of the database.</summary>
    public UploadSpool Spool { get; init; } = UploadSpool.Temporary;

    /// <summary>Bucket and path; never a key.</summary>
    public override string ToString() => $"oss://{Bucket}/{Path}";
}
