using Litestream.Storage;

namespace Litestream.Backends.Tests.Spool;

/// <summary>A store for one test, and the client that writes to it.</summary>
/// <param name="client">The client.</param>
/// <param name="openUploads">Uploads in parts that the store still knows; 0 where there is no such thing.</param>
/// <param name="owned">What goes with it.</param>
internal sealed class SpoolStore(IReplicaClient client, Func<int> openUploads, params IReadOnlyList<object> owned) : IAsyncDisposable
{
    public IReplicaClient Client => client;

    public int OpenUploads => openUploads();

    public async ValueTask DisposeAsync()
    {
        await client.DisposeAsync();
        foreach (object one in owned)
        {
            if (one is IAsyncDisposable later)
            {
                await later.DisposeAsync();
            }
            else
            {
                ((IDisposable)one).Dispose();
            }
        }
    }
}
