namespace Litestream.Storage.S3;

/// <summary>What a HEAD request tells about an object.</summary>
/// <param name="Size">Bytes.</param>
/// <param name="LastModified">The store's time of it; null if it does not say.</param>
/// <param name="HeaderTime">Time of the LTX header that the writer left in the metadata; null if there is none (backends §1.8).</param>
internal readonly record struct ObjectHead(long Size, DateTimeOffset? LastModified, DateTimeOffset? HeaderTime);
