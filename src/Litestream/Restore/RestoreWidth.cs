using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>
/// How much of a restore happens at a time. On a directory of this machine the processors are the limit; on a store far away it is the
/// time of a request, so that more of them must be under way than are decoded (measured with the scenarios s3restore and s3files).
/// </summary>
/// <param name="Workers">Parts that are read or decoded at a time; each has a buffer of <paramref name="BufferSize"/>.</param>
/// <param name="Ahead">Files that are loaded ahead: headers and indexes, small files whole.</param>
/// <param name="Requests">Requests, and so connections, at a time: of workers and of files ahead together.</param>
/// <param name="BufferSize">Bytes of a buffer: a power of two, as pools hand them out.</param>
internal sealed record RestoreWidth(int Workers, int Ahead, int Requests, int BufferSize)
{
    /// <summary>No store sees more connections of one restore.</summary>
    internal const int MaxRequests = 32;

    private const int LocalBuffer = 1 << 20;

    /// <summary>A request costs a distant store more than a megabyte does.</summary>
    private const int DistantBuffer = 4 << 20;

    /// <summary>Bytes of all buffers of a restore from a distant store.</summary>
    private const int MaxBytes = 64 << 20;

    /// <summary>Room for the frame that completes a part.</summary>
    private const int LargestFrame = 128 << 10;

    /// <summary>A part ends with the frame that reaches this size in bytes.</summary>
    internal long PartSize => BufferSize - LargestFrame;

    /// <summary>The width for a replica.</summary>
    /// <param name="client">The replica.</param>
    /// <param name="parallelism">As asked for; clamped to 1 to <see cref="RestoreOptions.MaxParallelism"/>.</param>
    internal static RestoreWidth Of(IReplicaClient client, int parallelism)
    {
        int asked = Math.Clamp(parallelism, 1, RestoreOptions.MaxParallelism);

        // Who asks for 1 wants one request after the other.
        if (client is ILocalReplica || asked == 1)
        {
            return new RestoreWidth(asked, asked, 2 * RestoreOptions.MaxParallelism, LocalBuffer);
        }

        int workers = Math.Min(asked * 3 / 2, MaxRequests);
        int requests = Math.Min(4 * asked, MaxRequests);
        return new RestoreWidth(workers, requests, requests, workers * DistantBuffer <= MaxBytes ? DistantBuffer : LocalBuffer);
    }
}
