using System.Runtime.CompilerServices;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.TestKit.Replicas;

namespace Litestream.Tests.Levels;

/// <summary>
/// A replica whose requests fail now and then, before or after they have taken effect, and that deletes one file after the other. After
/// every change it says so, so that a test looks at every state a crash or a reader can meet.
/// </summary>
internal sealed class UnreliableReplica(MemoryReplicaClient inner, Random random, Action changed) : IReplicaClient
{
    /// <summary>Share of requests that fail.</summary>
    public double FailureRate { get; set; }

    /// <summary>The listing of a level fails behind so many files, as a later page of it would; null for never.</summary>
    public int? ListedBeforeFailure { get; set; }

    /// <summary>Deletions fail after so many files; null for never.</summary>
    public int? DeletedBeforeFailure { get; set; }

    public string Type => inner.Type;

    public ValueTask InitializeAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        int listed = 0;
        await foreach (LtxFileInfo file in inner.ListAsync(level, seek, accurateTimes, cancellationToken))
        {
            FailSometimes();
            if (listed++ == ListedBeforeFailure)
            {
                throw new ReplicaException("page 2 of the listing: 503 slow down");
            }

            yield return file;
        }
    }

    public ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        FailSometimes();
        return inner.OpenAsync(level, minTxid, maxTxid, offset, size, cancellationToken);
    }

    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        FailSometimes();
        LtxFileInfo written = await inner.WriteAsync(level, minTxid, maxTxid, source, mode, cancellationToken);
        changed();
        FailSometimes();
        return written;
    }

    public ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        foreach (LtxFileInfo file in files)
        {
            FailSometimes();
            if (DeletedBeforeFailure is { } left)
            {
                DeletedBeforeFailure = left - 1;
                _ = left > 0 ? left : throw new ReplicaException("delete: 503 slow down");
            }

            if (inner.Remove(file.Level, file.MinTxid, file.MaxTxid))
            {
                changed();
            }
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask DeleteAllAsync(CancellationToken cancellationToken) => inner.DeleteAllAsync(cancellationToken);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void FailSometimes()
    {
        if (random.NextDouble() < FailureRate)
        {
            throw new ReplicaException("the store does not answer");
        }
    }
}
