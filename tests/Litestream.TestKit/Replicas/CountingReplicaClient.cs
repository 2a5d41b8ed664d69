using System.Runtime.CompilerServices;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.TestKit.Replicas;

/// <summary>
/// A replica client that counts requests as a store bills them (backends §1): failed ones included, pages of listings and batches of
/// deletions as calls. Counts are kept for each level, so that a test can say which level cost what.
/// </summary>
public sealed class CountingReplicaClient(IReplicaClient inner) : IReplicaClient
{
    /// <summary>Names in a page of a listing, and objects in a batch of a deletion.</summary>
    public const int PageSize = 1000;

    private readonly Lock _gate = new();
    private readonly RequestCounts[] _levels = new RequestCounts[LtxFileInfo.LevelCount];
    private long _deleteCalls;

    /// <inheritdoc/>
    public string Type => inner.Type;

    /// <summary>All requests so far.</summary>
    public RequestCounts Counts
    {
        get
        {
            lock (_gate)
            {
                RequestCounts sum = default;
                foreach (RequestCounts level in _levels)
                {
                    sum = new RequestCounts(
                        sum.Put + level.Put, sum.List + level.List, sum.Get + level.Get, 0,
                        sum.DeletedFiles + level.DeletedFiles, sum.UploadedBytes + level.UploadedBytes, sum.DownloadedBytes + level.DownloadedBytes);
                }

                return sum with { Delete = _deleteCalls };
            }
        }
    }

    /// <summary>Requests for one level. Deletion calls, which may be for several levels, are only in <see cref="Counts"/>.</summary>
    public RequestCounts OfLevel(int level)
    {
        lock (_gate)
        {
            return _levels[level];
        }
    }

    /// <inheritdoc/>
    public ValueTask InitializeAsync(CancellationToken cancellationToken) => inner.InitializeAsync(cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        int names = 0;
        Add(level, new RequestCounts { List = 1 });
        await foreach (LtxFileInfo info in inner.ListAsync(level, seek, accurateTimes, cancellationToken))
        {
            if (++names > PageSize)
            {
                names = 1;
                Add(level, new RequestCounts { List = 1 });
            }

            yield return info;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<Stream> OpenAsync(
        int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        Add(level, new RequestCounts { Get = 1 });
        Stream stream = await inner.OpenAsync(level, minTxid, maxTxid, offset, size, cancellationToken);
        return new CountingStream(stream, count => Add(level, new RequestCounts { DownloadedBytes = count }));
    }

    /// <inheritdoc/>
    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        Add(level, new RequestCounts { Put = 1 });
        var counting = new CountingStream(source, count => Add(level, new RequestCounts { UploadedBytes = count }));
        return await inner.WriteAsync(level, minTxid, maxTxid, counting, mode, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        foreach (LtxFileInfo file in files)
        {
            Add(file.Level, new RequestCounts { DeletedFiles = 1 });
        }

        AddDeleteCalls((files.Count + PageSize - 1) / PageSize);
        return inner.DeleteAsync(files, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask DeleteAllAsync(CancellationToken cancellationToken)
    {
        AddDeleteCalls(1);
        return inner.DeleteAllAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private void Add(int level, in RequestCounts more)
    {
        lock (_gate)
        {
            RequestCounts old = _levels[level];
            _levels[level] = new RequestCounts(
                old.Put + more.Put, old.List + more.List, old.Get + more.Get, 0,
                old.DeletedFiles + more.DeletedFiles, old.UploadedBytes + more.UploadedBytes, old.DownloadedBytes + more.DownloadedBytes);
        }
    }

    private void AddDeleteCalls(int calls)
    {
        lock (_gate)
        {
            _deleteCalls += calls;
        }
    }

    private sealed class CountingStream(Stream inner, Action<long> read) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Count(inner.Read(buffer, offset, count));

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Count(await inner.ReadAsync(buffer, cancellationToken));

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }

        private int Count(int bytes)
        {
            read(bytes);
            return bytes;
        }
    }
}
