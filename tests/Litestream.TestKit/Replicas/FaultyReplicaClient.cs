using System.Runtime.CompilerServices;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.TestKit.Replicas;

/// <summary>Requests of a replica client, as counted and as made to fail.</summary>
public enum ReplicaOperation
{
    /// <summary>Initialise.</summary>
    Initialize,

    /// <summary>List one level.</summary>
    List,

    /// <summary>Open a range of a file.</summary>
    Open,

    /// <summary>Store a file.</summary>
    Write,

    /// <summary>Delete files.</summary>
    Delete,

    /// <summary>Delete everything.</summary>
    DeleteAll,
}

/// <summary>A replica client whose n-th request of a kind fails before or after its effect, and that counts requests.</summary>
public sealed class FaultyReplicaClient(IReplicaClient inner) : IReplicaClient
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ReplicaOperation, int> _counts = [];
    private readonly List<Fault> _faults = [];
    private readonly Queue<(long Bytes, Exception? Failure)> _cuts = new();
    private readonly Queue<(long Bytes, Exception Failure)> _uploadCuts = new();
    private readonly List<long> _openOffsets = [];
    private int _openStreams;

    /// <inheritdoc/>
    public string Type => inner.Type;

    /// <summary>Called with every request before it is made; tests change the replica under a reader's feet here.</summary>
    public Action<ReplicaOperation, int, Txid, Txid>? OnRequest { get; set; }

    /// <summary>Streams handed out and not yet closed.</summary>
    public int OpenStreams => _openStreams;

    /// <summary>The greatest number of streams that were open at the same time.</summary>
    public int MostOpenStreams { get; private set; }

    /// <summary>Offsets of all reads so far, in order: a resumed read begins behind 0.</summary>
    public IReadOnlyList<long> OpenOffsets
    {
        get
        {
            lock (_gate)
            {
                return [.. _openOffsets];
            }
        }
    }

    /// <summary>All requests so far.</summary>
    public int TotalRequests
    {
        get
        {
            lock (_gate)
            {
                return _counts.Values.Sum();
            }
        }
    }

    /// <summary>Requests of one kind so far, failed ones included.</summary>
    public int Count(ReplicaOperation operation)
    {
        lock (_gate)
        {
            return _counts.GetValueOrDefault(operation);
        }
    }

    /// <summary>Makes later requests fail.</summary>
    /// <param name="operation">Kind of request.</param>
    /// <param name="number">1 = the next one of this kind.</param>
    /// <param name="failure">The exception; null = a transient <see cref="ReplicaException"/>.</param>
    /// <param name="afterEffect">True: the request takes effect and its answer is lost.</param>
    /// <param name="count">How many requests in a row fail.</param>
    public void Fail(
        ReplicaOperation operation, int number = 1, Func<Exception>? failure = null, bool afterEffect = false, int count = 1)
    {
        lock (_gate)
        {
            _faults.Add(new Fault(operation, afterEffect, failure ?? (() => new ReplicaException($"{operation}: connection reset by peer")))
            {
                Skip = number - 1,
                Left = count,
            });
        }
    }

    /// <summary>Cuts the next opened stream after some bytes: with an error, or as if the file ended there.</summary>
    public void CutNextStream(long bytes, Exception? failure = null)
    {
        lock (_gate)
        {
            _cuts.Enqueue((bytes, failure));
        }
    }

    /// <summary>Fails the next upload after it has taken some bytes of its source.</summary>
    public void CutNextUpload(long bytes, Exception? failure = null)
    {
        lock (_gate)
        {
            _uploadCuts.Enqueue((bytes, failure ?? new ReplicaException("upload: connection reset by peer")));
        }
    }

    /// <summary>Forgets planned faults; counts stay.</summary>
    public void Repair()
    {
        lock (_gate)
        {
            _faults.Clear();
            _cuts.Clear();
            _uploadCuts.Clear();
        }
    }

    /// <inheritdoc/>
    public async ValueTask InitializeAsync(CancellationToken cancellationToken)
    {
        Fault? late = Enter(ReplicaOperation.Initialize, 0, default, default);
        await inner.InitializeAsync(cancellationToken);
        late?.Throw();
    }

    /// <summary>Lists through; a fault "after effect" fails the listing after its first item (trap C17).</summary>
    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Fault? late = Enter(ReplicaOperation.List, level, seek, default);
        await foreach (LtxFileInfo info in inner.ListAsync(level, seek, accurateTimes, cancellationToken))
        {
            yield return info;
            late?.Throw();
        }

        late?.Throw();
    }

    /// <inheritdoc/>
    public async ValueTask<Stream> OpenAsync(
        int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        Fault? late = Enter(ReplicaOperation.Open, level, minTxid, maxTxid);
        lock (_gate)
        {
            _openOffsets.Add(offset);
        }

        Stream stream = await inner.OpenAsync(level, minTxid, maxTxid, offset, size, cancellationToken);
        if (late is not null)
        {
            await stream.DisposeAsync();
            late.Throw();
        }

        (long Bytes, Exception? Failure) cut = (long.MaxValue, null);
        lock (_gate)
        {
            if (_cuts.Count > 0)
            {
                cut = _cuts.Dequeue();
            }

            _openStreams++;
            MostOpenStreams = Math.Max(MostOpenStreams, _openStreams);
        }

        return new CutStream(stream, cut.Bytes, cut.Failure, () => Interlocked.Decrement(ref _openStreams));
    }

    /// <inheritdoc/>
    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        Fault? late = Enter(ReplicaOperation.Write, level, minTxid, maxTxid);
        lock (_gate)
        {
            if (_uploadCuts.TryDequeue(out (long Bytes, Exception Failure) cut))
            {
                source = new CutStream(source, cut.Bytes, cut.Failure);
            }
        }

        LtxFileInfo info = await inner.WriteAsync(level, minTxid, maxTxid, source, mode, cancellationToken);
        late?.Throw();
        return info;
    }

    /// <inheritdoc/>
    public async ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        Fault? late = Enter(ReplicaOperation.Delete, 0, default, default);
        await inner.DeleteAsync(files, cancellationToken);
        late?.Throw();
    }

    /// <inheritdoc/>
    public async ValueTask DeleteAllAsync(CancellationToken cancellationToken)
    {
        Fault? late = Enter(ReplicaOperation.DeleteAll, 0, default, default);
        await inner.DeleteAllAsync(cancellationToken);
        late?.Throw();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private Fault? Enter(ReplicaOperation operation, int level, Txid min, Txid max)
    {
        OnRequest?.Invoke(operation, level, min, max);
        lock (_gate)
        {
            _counts[operation] = _counts.GetValueOrDefault(operation) + 1;
            foreach (Fault fault in _faults)
            {
                if (fault.Operation != operation || fault.Left == 0)
                {
                    continue;
                }

                if (fault.Skip > 0)
                {
                    fault.Skip--;
                    continue;
                }

                fault.Left--;
                if (fault.AfterEffect)
                {
                    return fault;
                }

                fault.Throw();
            }

            return null;
        }
    }

    private sealed class Fault(ReplicaOperation operation, bool afterEffect, Func<Exception> failure)
    {
        internal ReplicaOperation Operation { get; } = operation;

        internal bool AfterEffect { get; } = afterEffect;

        internal int Skip { get; set; }

        internal int Left { get; set; }

        internal void Throw() => throw failure();
    }
}
