using System.Runtime.CompilerServices;
using Litestream.Ltx;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Nats;

/// <summary>
/// A replica in a bucket of a NATS JetStream object store (backends §4.8): objects <c>ltx/&lt;level&gt;/&lt;name&gt;</c>, as upstream lays them out. The
/// bucket must exist and belongs to one database. Connections are shared by all clients of one transport with the same server and credentials.
/// </summary>
public sealed partial class NatsReplicaClient : IReplicaClient
{
    /// <summary>Deletions on their way at a time.</summary>
    private const int DeleteWindow = 8;

    private static readonly RetryOptions Retries = new(10, TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(5));
    private static readonly ReplicaKeys Keys = ReplicaKeys.LtxDirectory("");

    private readonly NatsOptions _options;
    private readonly TransportOptions _transport;
    private readonly RetryPolicy _retry;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly SharedLink _link;
    private Bucket? _bucket;
    private int _disposed;

    /// <summary>Creates the client; nothing is connected, and settings are checked at the first use.</summary>
    /// <param name="options">Server, bucket, credentials.</param>
    /// <param name="transport">What the network backends of the process share.</param>
    public NatsReplicaClient(NatsOptions options, StorageTransport transport)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(transport);
        _options = options;
        _transport = transport.Options;
        _retry = transport.CreateRetryPolicy(Retries);
        _link = SharedLink.Of(transport, options);
    }

    /// <inheritdoc/>
    public string Type => "nats";

    /// <inheritdoc/>
    public async ValueTask InitializeAsync(CancellationToken cancellationToken) => await OpenBucketAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>Lists from the metadata messages of the whole bucket: the server cannot filter by level. Times are those of the headers at no extra cost.</summary>
    /// <inheritdoc/>
    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string prefix = Keys.Level(level);
        List<LtxFileInfo?> listed = await ListObjectsAsync<LtxFileInfo?>(
            prefix,
            (metadata, stored) => LtxFileName.TryParse(metadata.Name.AsSpan(prefix.Length), out Txid min, out Txid max) && min >= seek
                ? new LtxFileInfo(level, min, max, metadata.Size, metadata.Timestamp ?? stored)
                : null,
            cancellationToken).ConfigureAwait(false);
        List<LtxFileInfo> found = [.. listed.OfType<LtxFileInfo>()];
        found.Sort(static (a, b) => a.MinTxid != b.MinTxid ? a.MinTxid.CompareTo(b.MinTxid) : a.MaxTxid.CompareTo(b.MaxTxid));
        foreach (LtxFileInfo info in found)
        {
            yield return info;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<Stream> OpenAsync(
        int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        string name = Keys.File(level, minTxid, maxTxid);
        Bucket bucket = await OpenBucketAsync(cancellationToken).ConfigureAwait(false);
        NewestMetadata newest = await _retry.ExecuteAsync("GET " + name, token => bucket.GetAsync(name, token), cancellationToken).ConfigureAwait(false);
        if (newest.Object is not { } metadata)
        {
            throw new LtxFileNotFoundException(level, minTxid, maxTxid, $"{_options}/{name}");
        }

        long left = Math.Max(0, metadata.Size - offset);
        long length = size == 0 ? left : Math.Min(size, left);
        ReplicaMetrics.Count(Type, "GET", length);
        if (length == 0)
        {
            return new MemoryStream([], writable: false);
        }

        string subject = bucket.Names.Chunks(metadata.Nuid);
        if (metadata.Map is not { } map)
        {
            return new ObjectStream(metadata, offset, length, WithoutMap(), 0, WithoutMap, cancellationToken);
        }

        int first = (int)(offset / map.ChunkSize);
        int last = (int)((offset + length - 1) / map.ChunkSize);
        var feed = new MappedChunkFeed(bucket.JetStream, _retry, subject, metadata, map, first, last);
        return new ObjectStream(metadata, offset, length, feed, (long)first * map.ChunkSize, WithoutMap, cancellationToken);

        ConsumerChunkFeed WithoutMap() => new(bucket.JetStream, _retry, subject, metadata);
    }

    /// <inheritdoc/>
    public async ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (files.Count > 0)
        {
            await DeleteObjectsAsync([.. files.Select(file => Keys.File(file.Level, file.MinTxid, file.MaxTxid))], cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Deletes the objects <c>ltx/…</c>. Upstream deletes every object of the bucket, also those of other programs; here they stay.
    /// </summary>
    /// <inheritdoc/>
    public async ValueTask DeleteAllAsync(CancellationToken cancellationToken)
    {
        List<string> found = await ListObjectsAsync(Keys.Root + "ltx/", (metadata, _) => metadata.Name, cancellationToken).ConfigureAwait(false);
        await DeleteObjectsAsync(found, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            await _link.ReleaseAsync().ConfigureAwait(false);
            _gate.Dispose();
        }
    }

    private async ValueTask<Bucket> OpenBucketAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _bucket) is { } known)
        {
            return known;
        }

        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_bucket is { } other)
            {
                return other;
            }

            var names = new ObjectNames(_options.Bucket);
            var bucket = new Bucket(new JetStream(_link.Link, names.Stream), names);
            await _retry.ExecuteAsync("INFO " + names.Stream, bucket.RequireAsync, cancellationToken).ConfigureAwait(false);
            Volatile.Write(ref _bucket, bucket);
            return bucket;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>What is wanted of the objects whose name begins with a prefix, in no order. A failure starts the listing again.</summary>
    private async ValueTask<List<T>> ListObjectsAsync<T>(string prefix, Func<ObjectMetadata, DateTimeOffset, T> select, CancellationToken cancellationToken)
    {
        Bucket bucket = await OpenBucketAsync(cancellationToken).ConfigureAwait(false);
        long began = _transport.Time.GetTimestamp();
        ReplicaMetrics.Count(Type, "LIST");
        List<T> found = await _retry.ExecuteAsync(
            "LIST " + prefix, token => bucket.ListAsync(prefix, select, token), cancellationToken).ConfigureAwait(false);
        ReplicaMetrics.Took(Type, "LIST", _transport.Time.GetElapsedTime(began));
        return found;
    }

    private async ValueTask DeleteObjectsAsync(List<string> objects, CancellationToken cancellationToken)
    {
        Bucket bucket = await OpenBucketAsync(cancellationToken).ConfigureAwait(false);
        await Parallel.ForEachAsync(
            objects,
            new ParallelOptions { MaxDegreeOfParallelism = DeleteWindow, CancellationToken = cancellationToken },
            async (name, token) =>
            {
                long began = _transport.Time.GetTimestamp();
                ReplicaMetrics.Count(Type, "DELETE");
                try
                {
                    await _retry.ExecuteAsync("DELETE " + name, t => bucket.DeleteAsync(name, t), token).ConfigureAwait(false);
                }
                catch (ReplicaException e)
                {
                    ReplicaMetrics.Failed(Type, "DELETE", (e as JetStreamException)?.ErrorCode.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "unavailable");
                    throw;
                }

                ReplicaMetrics.Took(Type, "DELETE", _transport.Time.GetElapsedTime(began));
            }).ConfigureAwait(false);
    }
}
