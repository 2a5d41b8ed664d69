using System.Text.Json;
using System.Text.Json.Serialization;

namespace Litestream.Storage.Gcs;

/// <summary>An object resource of the JSON API: what a listing and an upload give, and what an upload sends as metadata.</summary>
internal sealed record GcsObject
{
    public string? Name { get; init; }

    public long? Size { get; init; }

    public string? Generation { get; init; }

    public DateTimeOffset? TimeCreated { get; init; }

    /// <summary>Base64 of the big-endian CRC-32C of the content.</summary>
    public string? Crc32c { get; init; }

    public string? ContentType { get; init; }

    public Dictionary<string, string>? Metadata { get; init; }
}

/// <summary>A page of a listing. A page without items may still have a next one (trap T19).</summary>
internal sealed record GcsObjectPage
{
    public IReadOnlyList<GcsObject>? Items { get; init; }

    public string? NextPageToken { get; init; }
}

/// <summary>Reading and writing of the resources without reflection.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(GcsObject))]
[JsonSerializable(typeof(GcsObjectPage))]
internal sealed partial class GcsJson : JsonSerializerContext;
