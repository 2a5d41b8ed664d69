namespace Litestream.Storage.Nats;

/// <summary>The newest message of an object's metadata subject.</summary>
/// <param name="Sequence">Its number; 0 = there is none.</param>
/// <param name="Object">The object; null if there is none or it is deleted.</param>
/// <param name="Tombstone">What a deleted object left; null otherwise.</param>
internal readonly record struct NewestMetadata(ulong Sequence, ObjectMetadata? Object, ObjectMetadata? Tombstone);
