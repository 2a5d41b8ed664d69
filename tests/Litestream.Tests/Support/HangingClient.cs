using System.Runtime.CompilerServices;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Tests.Support;

/// <summary>A replica that answers writes, or lists, only when the test lets it; until then a request ends by cancellation only.</summary>
internal sealed class HangingClient(IReplicaClient inner) : IReplicaClient
{
    private readonly TaskCompletionSource writing = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource listing = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Type => inner.Type;

    /// <summary>False: writes hang. True: lists hang.</summary>
    public bool HangLists { get; init; }

    public Task Writing => writing.Task;

    public Task Listing => listing.Task;

    public void LetGo() => go.TrySetResult();

    public ValueTask InitializeAsync(CancellationToken cancellationToken) => inner.InitializeAsync(cancellationToken);

    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        listing.TrySetResult();
        if (HangLists)
        {
            await go.Task.WaitAsync(cancellationToken);
        }

        await foreach (LtxFileInfo file in inner.ListAsync(level, seek, accurateTimes, cancellationToken))
        {
            yield return file;
        }
    }

    public ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken) =>
        inner.OpenAsync(level, minTxid, maxTxid, offset, size, cancellationToken);

    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        writing.TrySetResult();
        if (!HangLists)
        {
            await go.Task.WaitAsync(cancellationToken);
        }

        return await inner.WriteAsync(level, minTxid, maxTxid, source, mode, cancellationToken);
    }

    public ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken) => inner.DeleteAsync(files, cancellationToken);

    public ValueTask DeleteAllAsync(CancellationToken cancellationToken) => inner.DeleteAllAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
