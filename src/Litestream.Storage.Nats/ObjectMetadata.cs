using System.Buffers.Text;
using System.Text.Json;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Nats;

/// <summary>The metadata message of an object (backends §4.8).</summary>
internal sealed record ObjectMetadata
{
    /// <summary>Header of the object that keeps the time of the LTX header.</summary>
    public const string TimestampHeader = "Litestream-Timestamp";

    /// <summary>Largest chunk that is written: what upstream writes.</summary>
    public const int MaxChunkSize = 128 << 10;

    private const string DigestPrefix = "SHA-256=";

    public required string Name { get; init; }

    /// <summary>Identifier of its chunks.</summary>
    public required string Nuid { get; init; }

    public long Size { get; init; }

    public long Chunks { get; init; }

    public bool IsDeleted { get; init; }

    /// <summary>True if it only points to another object; such are not ours.</summary>
    public bool IsLink { get; init; }

    /// <summary>Time of the LTX header; null if it is not kept.</summary>
    public DateTimeOffset? Timestamp { get; init; }

    /// <summary>SHA-256 of the content; null if it is not kept.</summary>
    public ReadOnlyMemory<byte>? Digest { get; init; }

    /// <summary>Where the chunks lie; null if we did not write them.</summary>
    public ChunkMap? Map { get; init; }

    /// <summary>Number of the message.</summary>
    public ulong Sequence { get; init; }

    /// <summary>Reads a message; null if it is no metadata of an object.</summary>
    public static ObjectMetadata? Parse(ReadOnlyMemory<byte> json, ulong sequence)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement root = document.RootElement;
            string? name = Text(root, "name");
            string? nuid = Text(root, "nuid");
            if (name is null || nuid is null || nuid.Length == 0)
            {
                return null;
            }

            long size = Number(root, "size");
            long chunks = Number(root, "chunks");
            return new ObjectMetadata
            {
                Name = name,
                Nuid = nuid,
                Size = size,
                Chunks = chunks,
                IsDeleted = root.TryGetProperty("deleted", out JsonElement deleted) && deleted.ValueKind == JsonValueKind.True,
                IsLink = root.TryGetProperty("options", out JsonElement options) && options.ValueKind == JsonValueKind.Object
                    && options.TryGetProperty("link", out JsonElement link) && link.ValueKind == JsonValueKind.Object,
                Timestamp = HeaderTime.Parse(Header(root, TimestampHeader)),
                Digest = ParseDigest(Text(root, "digest")),
                Map = ChunkMap.Parse(Header(root, ChunkMap.Header), size, chunks),
                Sequence = sequence,
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>The message of an object or, if it is deleted, of its tombstone.</summary>
    public ReadOnlyMemory<byte> ToJson(string bucket) => JetStream.Json(writer =>
    {
        writer.WriteString("name", Name);
        writer.WriteStartObject("headers");
        WriteHeader(writer, TimestampHeader, Timestamp is { } time ? HeaderTime.Format(time) : null);
        WriteHeader(writer, ChunkMap.Header, IsDeleted ? null : Map?.Format());
        writer.WriteEndObject();
        writer.WriteStartObject("options");
        writer.WriteNumber("max_chunk_size", Map?.ChunkSize ?? MaxChunkSize);
        writer.WriteEndObject();
        writer.WriteString("bucket", bucket);
        writer.WriteString("nuid", Nuid);
        writer.WriteNumber("size", IsDeleted ? 0 : Size);
        writer.WriteString("mtime", "0001-01-01T00:00:00Z"); // Meaningless in the body; readers take the message's time.
        writer.WriteNumber("chunks", IsDeleted ? 0 : Chunks);
        if (IsDeleted)
        {
            writer.WriteBoolean("deleted", true);
        }
        else if (Digest is { } digest)
        {
            writer.WriteString("digest", $"{DigestPrefix}{Base64Url.EncodeToString(digest.Span)}=");
        }
    });

    private static void WriteHeader(Utf8JsonWriter writer, string name, string? value)
    {
        if (value is not null)
        {
            writer.WriteStartArray(name);
            writer.WriteStringValue(value);
            writer.WriteEndArray();
        }
    }

    private static ReadOnlyMemory<byte>? ParseDigest(string? text)
    {
        byte[] digest = new byte[32];
        return text is not null && text.StartsWith(DigestPrefix, StringComparison.Ordinal)
            && Base64Url.TryDecodeFromChars(text.AsSpan(DigestPrefix.Length), digest, out int count) && count == digest.Length
            ? digest
            : null;
    }

    private static string? Header(JsonElement root, string name) =>
        root.TryGetProperty("headers", out JsonElement headers) && headers.ValueKind == JsonValueKind.Object
        && headers.TryGetProperty(name, out JsonElement values) && values.ValueKind == JsonValueKind.Array
        && values.GetArrayLength() > 0 && values[0].ValueKind == JsonValueKind.String
            ? values[0].GetString()
            : null;

    private static string? Text(JsonElement from, string name) =>
        from.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static long Number(JsonElement from, string name) =>
        from.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number > 0 ? number : 0;
}
