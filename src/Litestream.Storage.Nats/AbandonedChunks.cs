namespace Litestream.Storage.Nats;

/// <summary>What an upload that broke off may have left in the stream.</summary>
/// <param name="Nuid">Identifier of the chunks.</param>
/// <param name="Sent">How many there may be.</param>
internal readonly record struct AbandonedChunks(string Nuid, int Sent);
