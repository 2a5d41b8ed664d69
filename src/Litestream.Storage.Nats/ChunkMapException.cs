namespace Litestream.Storage.Nats;

/// <summary>A chunk is not where the map says: the object was copied, replaced or deleted. To be read without the map.</summary>
internal sealed class ChunkMapException(string subject)
    : ReplicaException($"nats: a chunk on {subject} is not where it was stored", isTransient: false);
