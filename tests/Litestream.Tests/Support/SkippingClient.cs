using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Tests.Support;

/// <summary>A replica that says "stored" for snapshots without having read a byte.</summary>
internal sealed class SkippingClient(IReplicaClient inner) : IReplicaClient
{
    public string Type => inner.Type;

    public int Skipped { get; private set; }

    public ValueTask InitializeAsync(CancellationToken cancellationToken) => inner.InitializeAsync(cancellationToken);

    public IAsyncEnumerable<LtxFileInfo> ListAsync(int level, Txid seek, bool accurateTimes, CancellationToken cancellationToken) =>
        inner.ListAsync(level, seek, accurateTimes, cancellationToken);

    public ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken) =>
        inner.OpenAsync(level, minTxid, maxTxid, offset, size, cancellationToken);

    public ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        if (level != LtxFileInfo.SnapshotLevel)
        {
            return inner.WriteAsync(level, minTxid, maxTxid, source, mode, cancellationToken);
        }

        Skipped++;
        return new(new LtxFileInfo(level, minTxid, maxTxid, 0, DateTimeOffset.UnixEpoch));
    }

    public ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken) => inner.DeleteAsync(files, cancellationToken);

    public ValueTask DeleteAllAsync(CancellationToken cancellationToken) => inner.DeleteAllAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
