using NATS.Client.Core;

namespace Litestream.Storage.Nats;

/// <summary>A message of a stream.</summary>
/// <param name="Subject">Its subject.</param>
/// <param name="Sequence">Its number in the stream.</param>
/// <param name="Time">When the server stored it; null if it did not say.</param>
/// <param name="Data">Content, from the pool.</param>
internal readonly record struct StoredMessage(string Subject, ulong Sequence, DateTimeOffset? Time, NatsMemoryOwner<byte> Data) : IDisposable
{
    public void Dispose() => Data.Dispose();
}
