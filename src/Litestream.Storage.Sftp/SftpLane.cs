using Litestream.Storage.Transport;
using Renci.SshNet;
using Renci.SshNet.Sftp;

namespace Litestream.Storage.Sftp;

/// <summary>
/// One connection that many operations share. It watches for silence: an operation waits as long as anything moves on the connection,
/// and the connection is given up when nothing did for the idle time-out.
/// </summary>
internal sealed class SftpLane(SftpClient client, TransportOptions transport)
{
    private const int LargeChunk = 32 << 10;
    private const int SmallChunk = 8 << 10;
    private const int SmallestChunk = 512; // The library also derives a size for writing from it, which must not become negative.
    private const int ManyUsers = 12;
    private const int ReadOverhead = 13; // The library subtracts the bytes of the answer around the data.

    private readonly Lock _opening = new();
    private long _activity;

    internal SftpClient Client => client;

    /// <summary>Operations and open files that use it; guarded by the pool.</summary>
    internal int Users { get; set; }

    /// <summary>Set when it must not be used for anything new; guarded by the pool.</summary>
    internal bool Retired { get; set; }

    /// <summary>Whether it was ended.</summary>
    internal bool Closed { get; private set; }

    internal TransportOptions Transport => transport;

    internal bool IsUsable => !Retired && IsConnected;

    internal bool IsConnected => !Closed && client.IsConnected;

    /// <summary>Progress so far: changes with every answer.</summary>
    internal long Activity => Volatile.Read(ref _activity);

    /// <summary>Something moved.</summary>
    internal void Touch() => Interlocked.Increment(ref _activity);

    /// <summary>
    /// Starts to open a file for reading. The library reads ahead with up to 100 requests of one size: a whole file gets large ones, a
    /// small range exactly its own, and among many open files each one smaller ones, which bounds the memory.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="size">Bytes that will be read; 0 = to the end.</param>
    internal Task<SftpFileStream> StartOpen(string path, long size)
    {
        int most = Users > ManyUsers ? SmallChunk : LargeChunk;
        int chunk = size == 0 ? most : (int)Math.Clamp(size, SmallestChunk, most);
        lock (_opening)
        {
            client.BufferSize = (uint)(chunk + ReadOverhead); // Taken over by the call; uploads have other connections.
            return client.OpenAsync(path, FileMode.Open, FileAccess.Read, CancellationToken.None);
        }
    }

    /// <summary>Ends the connection: whatever waits on it fails.</summary>
    internal void Close()
    {
        if (!Closed)
        {
            Closed = true;
            SftpConnector.Discard(client);
        }
    }

    /// <summary>Waits for a call of the library.</summary>
    /// <param name="call">The call; it goes on unobserved when the wait ends early.</param>
    /// <param name="busyElsewhere">True while the operation waits for something that is not the server.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal async Task WaitAsync(Task call, Func<bool>? busyElsewhere, CancellationToken cancellationToken)
    {
        while (true)
        {
            long seen = Activity;
            try
            {
                await call.WaitAsync(transport.IdleTimeout, transport.Time, cancellationToken).ConfigureAwait(false);
                Touch();
                return;
            }
            catch (TimeoutException) when (!call.IsCompleted)
            {
                if (Activity == seen && busyElsewhere?.Invoke() != true)
                {
                    Forget(call);
                    Close();
                    throw new ReplicaException($"sftp: the server was silent for {transport.IdleTimeout.TotalSeconds:0.###} s", isTransient: true);
                }
            }
            catch (OperationCanceledException)
            {
                Forget(call);
                throw;
            }
        }
    }

    /// <summary>Waits for a call with a result.</summary>
    internal async Task<T> WaitAsync<T>(Task<T> call, CancellationToken cancellationToken)
    {
        await WaitAsync(call, null, cancellationToken).ConfigureAwait(false);
        return await call.ConfigureAwait(false);
    }

    /// <summary>Runs a call that blocks on a thread of its own.</summary>
    internal Task BlockAsync(Action<SftpClient> call, CancellationToken cancellationToken) =>
        WaitAsync(Task.Run(() => call(client), CancellationToken.None), null, cancellationToken);

    private static void Forget(Task call) =>
        call.ContinueWith(static done => _ = done.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
}
