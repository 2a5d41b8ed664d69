using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Transport;

namespace Litestream.Tests.Support;

/// <summary>A replica that writes down what each upload says of its size before it begins, and what it was.</summary>
internal sealed class BoundClient(IReplicaClient inner) : IReplicaClient
{
    public string Type => inner.Type;

    public List<(int Level, long? Bound, long Size)> Writes { get; } = [];

    public ValueTask InitializeAsync(CancellationToken cancellationToken) => inner.InitializeAsync(cancellationToken);

    public IAsyncEnumerable<LtxFileInfo> ListAsync(int level, Txid seek, bool accurateTimes, CancellationToken cancellationToken) =>
        inner.ListAsync(level, seek, accurateTimes, cancellationToken);

    public ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken) =>
        inner.OpenAsync(level, minTxid, maxTxid, offset, size, cancellationToken);

    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        long? bound = UploadPartSize.BoundOf(source);
        LtxFileInfo written = await inner.WriteAsync(level, minTxid, maxTxid, source, mode, cancellationToken);
        Writes.Add((level, bound, written.Size));
        return written;
    }

    public ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken) => inner.DeleteAsync(files, cancellationToken);

    public ValueTask DeleteAllAsync(CancellationToken cancellationToken) => inner.DeleteAllAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
