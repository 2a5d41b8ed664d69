using Litestream.Storage.Transport;

namespace Litestream.Storage.S3;

/// <summary>One request to a bucket, before it is signed.</summary>
/// <param name="Method">Method.</param>
/// <param name="Key">Object; null = the bucket itself.</param>
internal sealed record S3Request(HttpMethod Method, string? Key)
{
    /// <summary>Parameters of the query, not encoded.</summary>
    public IReadOnlyList<(string Name, string Value)> Query { get; init; } = [];

    /// <summary>Headers besides those of the signature; all are signed.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>Body; null = none. It must not change until the request has ended.</summary>
    public UploadBytes? Body { get; init; }
}
