using System.Runtime.ExceptionServices;

namespace Litestream.Storage.Nats;

/// <summary>What an upload of chunks came to.</summary>
/// <param name="Nuid">Identifier of the chunks.</param>
/// <param name="Size">Bytes of the object.</param>
/// <param name="Map">Where they lie.</param>
/// <param name="Digest">SHA-256 of the content.</param>
/// <param name="Trailer">The last 16 bytes.</param>
internal sealed record StoredChunks(string Nuid, long Size, ChunkMap Map, ReadOnlyMemory<byte> Digest, ReadOnlyMemory<byte> Trailer)
{
    /// <summary>Why there is nothing and another attempt would be of no use: the source failed or cannot be read again.</summary>
    public ExceptionDispatchInfo? Failure { get; init; }

    /// <summary>An upload that must not be tried again.</summary>
    public static StoredChunks Failed(Exception failure) =>
        new("", 0, new ChunkMap(ObjectMetadata.MaxChunkSize), default, default) { Failure = ExceptionDispatchInfo.Capture(failure) };
}
