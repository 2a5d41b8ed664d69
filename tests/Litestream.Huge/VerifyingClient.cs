using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Huge;

/// <summary>Reads from a replica; what is stored is verified page by page and forgotten.</summary>
internal sealed class VerifyingClient(IReplicaClient inner) : IReplicaClient
{
    public string Type => inner.Type;

    internal long Pages { get; private set; }

    public ValueTask InitializeAsync(CancellationToken cancellationToken) => inner.InitializeAsync(cancellationToken);

    public IAsyncEnumerable<LtxFileInfo> ListAsync(int level, Txid seek, bool accurateTimes, CancellationToken cancellationToken) =>
        inner.ListAsync(level, seek, accurateTimes, cancellationToken);

    public ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken) =>
        inner.OpenAsync(level, minTxid, maxTxid, offset, size, cancellationToken);

    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        using var reader = new LtxReader(source, "result", leaveOpen: true);
        LtxHeader header = await reader.ReadHeaderAsync(cancellationToken);
        while (await reader.ReadPageAsync(cancellationToken))
        {
            GeneratedPage.Check(reader.Page, reader.PageNumber);
        }

        await reader.FinishAsync(cancellationToken);
        Pages += reader.PageCount;
        return new LtxFileInfo(level, minTxid, maxTxid, reader.Position, DateTimeOffset.FromUnixTimeMilliseconds(header.Timestamp));
    }

    public ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DeleteAllAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
