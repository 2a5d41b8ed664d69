using System.Runtime.CompilerServices;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Tests.Fleet;

/// <summary>A replica that notices every use after its release, and how many listings run at the same time.</summary>
internal sealed class GuardedClient(IReplicaClient inner, FleetCounters counters) : IReplicaClient
{
    private volatile bool disposed;

    public string Type => inner.Type;

    public ValueTask InitializeAsync(CancellationToken cancellationToken) => inner.InitializeAsync(cancellationToken);

    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Check();
        if (level == 0)
        {
            await counters.EnterAsync(cancellationToken);
        }

        await foreach (LtxFileInfo file in inner.ListAsync(level, seek, accurateTimes, cancellationToken))
        {
            yield return file;
        }
    }

    public ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        Check();
        return inner.OpenAsync(level, minTxid, maxTxid, offset, size, cancellationToken);
    }

    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        Check();
        LtxFileInfo file = await inner.WriteAsync(level, minTxid, maxTxid, source, mode, cancellationToken);
        Check();
        return file;
    }

    public ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        Check();
        return inner.DeleteAsync(files, cancellationToken);
    }

    public ValueTask DeleteAllAsync(CancellationToken cancellationToken) => inner.DeleteAllAsync(cancellationToken);

    public ValueTask DisposeAsync()
    {
        disposed = true;
        return inner.DisposeAsync();
    }

    private void Check()
    {
        if (disposed)
        {
            counters.RecordUseAfterRelease();
        }
    }
}

/// <summary>What the clients of a fleet have seen together.</summary>
internal sealed class FleetCounters
{
    private readonly TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int entered;
    private int usesAfterRelease;

    /// <summary>True: listings wait until <see cref="LetGo"/>.</summary>
    public bool Hold { get; init; }

    public int Entered => Volatile.Read(ref entered);

    public int UsesAfterRelease => Volatile.Read(ref usesAfterRelease);

    public void LetGo() => go.TrySetResult();

    public void RecordUseAfterRelease() => Interlocked.Increment(ref usesAfterRelease);

    public async Task EnterAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref entered);
        if (Hold)
        {
            await go.Task.WaitAsync(cancellationToken);
        }
    }
}
