using Litestream.Storage.Transport;

namespace Litestream.Storage.Gcs;

/// <summary>Where a replica lies in Google Cloud Storage (backends §3.3, §4.3). Credentials are not part of it: they are found as Application Default Credentials.</summary>
public sealed record GcsOptions
{
    /// <summary>Smallest unit of a resumable upload: chunks but the last must be multiples of 256 KiB.</summary>
    public const int ChunkUnit = 256 << 10;

    /// <summary>Default of <see cref="ChunkSize"/>: 16 MiB.</summary>
    public const int DefaultChunkSize = 16 << 20;

    /// <summary>Largest <see cref="ChunkSize"/>: 64 MiB, what one upload may hold in memory.</summary>
    public const int MaxChunkSize = 64 << 20;

    /// <summary>Name of the bucket; it must exist.</summary>
    public required string Bucket { get; init; }

    /// <summary>Path in the bucket (layout B); empty = object names begin with <c>ltx/</c>.</summary>
    public string Path { get; init; } = "";

    /// <summary>
    /// Bytes up to which an object is sent in one request, and bytes of a chunk beyond it: a multiple of <see cref="ChunkUnit"/>, at most
    /// <see cref="MaxChunkSize"/>. Memory per running upload is bounded by it.
    /// </summary>
    public int ChunkSize { get; init; } = DefaultChunkSize;

    /// <summary>Where chunks wait that are too large for memory: the state directory of the database.</summary>
    public UploadSpool Spool { get; init; } = UploadSpool.Temporary;

    /// <summary>
    /// Root URL of the service; null = <c>https://storage.googleapis.com</c>, or what the environment variable <c>STORAGE_EMULATOR_HOST</c> names
    /// (then without authentication).
    /// </summary>
    public string? Endpoint { get; init; }
}
