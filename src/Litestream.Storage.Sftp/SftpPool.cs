using System.Runtime.CompilerServices;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Sftp;

/// <summary>
/// The connections to one server with one login. All clients of a process that differ only in their path share them: ten thousand
/// databases on one server use at most four connections. Uploads and reads have separate ones, so that a read does not queue
/// behind the data of an upload.
/// </summary>
internal sealed class SftpPool
{
    /// <summary>Most connections of a pool.</summary>
    internal const int MaxConnections = 2 * SftpLaneGroup.MaxLanes;

    // What is in memory for an upload that may have to be repeated is bounded by their number.
    private const int MaxUploads = 16;

    private static readonly ConditionalWeakTable<StorageTransport, Dictionary<SftpOptions, SftpPool>> Pools = [];

    private readonly Dictionary<SftpOptions, SftpPool> _siblings;
    private readonly SftpOptions _key;
    private int _clients;
    private int _connections;

    private SftpPool(Dictionary<SftpOptions, SftpPool> siblings, SftpOptions key, TransportOptions transport)
    {
        _siblings = siblings;
        _key = key;
        var connector = new SftpConnector(key, transport);
        Endpoint = connector.Endpoint;
        async Task<SftpLane> Connect(CancellationToken cancellationToken)
        {
            SftpLane lane = new(await connector.ConnectAsync(cancellationToken).ConfigureAwait(false), transport);
            Interlocked.Increment(ref _connections);
            return lane;
        }

        Reads = new SftpLaneGroup(Connect, transport.Time);
        Writes = new SftpLaneGroup(Connect, transport.Time);
    }

    internal SftpEndpoint Endpoint { get; }

    internal SftpLaneGroup Reads { get; }

    internal SftpLaneGroup Writes { get; }

    /// <summary>Limits uploads that run at a time.</summary>
    internal SemaphoreSlim Uploads { get; } = new(MaxUploads);

    /// <summary>Connections made so far.</summary>
    internal int ConnectionsMade => Volatile.Read(ref _connections);

    /// <summary>The pool for these options; release it with <see cref="Release"/>.</summary>
    /// <exception cref="ReplicaException">The host is none.</exception>
    internal static SftpPool Share(StorageTransport transport, SftpOptions options)
    {
        Dictionary<SftpOptions, SftpPool> pools = Pools.GetOrCreateValue(transport);
        SftpOptions key = options with { Path = "", ConcurrentWrites = true };
        lock (pools)
        {
            if (!pools.TryGetValue(key, out SftpPool? pool))
            {
                pools[key] = pool = new SftpPool(pools, key, transport.Options);
            }

            pool._clients++;
            return pool;
        }
    }

    /// <summary>A client has ended; the last one closes the connections.</summary>
    internal void Release()
    {
        lock (_siblings)
        {
            if (--_clients > 0)
            {
                return;
            }

            _siblings.Remove(_key);
        }

        Reads.Dispose();
        Writes.Dispose();
    }
}
