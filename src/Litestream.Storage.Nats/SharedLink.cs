using System.Runtime.CompilerServices;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Nats;

/// <summary>
/// A connection that all clients of one transport with the same server and credentials share: a thousand databases on one server need one. It
/// is closed when its last client is disposed.
/// </summary>
internal sealed class SharedLink
{
    private static readonly ConditionalWeakTable<StorageTransport, Dictionary<string, SharedLink>> Pools = [];

    private readonly Dictionary<string, SharedLink> _pool;
    private readonly string _key;
    private int _users;

    private SharedLink(Dictionary<string, SharedLink> pool, string key, NatsLink link) => (_pool, _key, Link) = (pool, key, link);

    public NatsLink Link { get; }

    /// <summary>The link of a client's server and credentials; nothing is connected yet.</summary>
    public static SharedLink Of(StorageTransport transport, NatsOptions options)
    {
        Dictionary<string, SharedLink> pool = Pools.GetOrCreateValue(transport);
        string key = options.ConnectionKey();
        lock (pool)
        {
            if (!pool.TryGetValue(key, out SharedLink? shared))
            {
                pool[key] = shared = new SharedLink(pool, key, new NatsLink(options, transport.Options));
            }

            shared._users++;
            return shared;
        }
    }

    /// <summary>One client less.</summary>
    public async ValueTask ReleaseAsync()
    {
        lock (_pool)
        {
            if (--_users > 0)
            {
                return;
            }

            _pool.Remove(_key);
        }

        await Link.DisposeAsync().ConfigureAwait(false);
    }
}
