using System.Runtime.CompilerServices;
using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Logging;

namespace Litestream.Storage.S3;

/// <summary>
/// A replica in a bucket of S3 or of a server that speaks its protocol (backends §4.2), layout A: <c>&lt;path&gt;/&lt;level, 4 hex digits&gt;/&lt;min&gt;-&lt;max&gt;.ltx</c>.
/// </summary>
public sealed partial class S3ReplicaClient : IReplicaClient, IRefusesLate
{
    private readonly S3Options _options;
    private readonly StorageTransport _transport;
    private readonly IFileSystem _files;
    private ReplicaKeys _keys;
    private readonly SemaphoreSlim _initializing = new(1, 1);
    private S3Bucket? _bucket;

    /// <summary>Creates the client; nothing is checked or sent yet.</summary>
    /// <param name="options">The replica.</param>
    /// <param name="transport">Connections of the process; not disposed here.</param>
    public S3ReplicaClient(S3Options options, StorageTransport transport)
        : this(options, transport, LocalFileSystem.Instance)
    {
    }

    internal S3ReplicaClient(S3Options options, StorageTransport transport, IFileSystem files)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(transport);
        (_options, _transport, _files) = (options, transport, files);
        _keys = ReplicaKeys.FlatHex(options.Path);
    }

    /// <inheritdoc/>
    public string Type => S3Bucket.Type;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync(CancellationToken cancellationToken) => await GetBucketAsync(cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        S3Bucket bucket = await GetBucketAsync(cancellationToken).ConfigureAwait(false);
        string prefix = _keys.Level(level);
        string? start = _keys.StartAt(level, seek);
        IAsyncEnumerable<IReadOnlyList<StoredFile>> pages = _options.AsOf is { } time
            ? ListVersionPagesAsync(bucket, level, prefix, start, time, cancellationToken)
            : ListPagesAsync(bucket, level, prefix, start, cancellationToken);
        List<LtxFileInfo> found = [];
        await foreach (IReadOnlyList<StoredFile> page in pages.ConfigureAwait(false))
        {
            IReadOnlyList<StoredFile> wanted = [.. page.Where(file => file.Info.MinTxid >= seek)];
            if (!accurateTimes)
            {
                found.AddRange(wanted.Select(file => file.Info));
                continue;
            }

            LtxFileInfo?[] timed = await FanOut.RunAsync(
                wanted, _transport.Options.MaxConnections, (file, token) => WithHeaderTimeAsync(bucket, file, token), cancellationToken).ConfigureAwait(false);
            found.AddRange(timed.Where(info => info is not null).Select(info => info!.Value));
        }

        // Not all servers sort as this list must be sorted.
        found.Sort(static (a, b) => a.MinTxid != b.MinTxid ? a.MinTxid.CompareTo(b.MinTxid) : a.MaxTxid.CompareTo(b.MaxTxid));
        foreach (LtxFileInfo info in found)
        {
            yield return info;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        S3Bucket bucket = await GetBucketAsync(cancellationToken).ConfigureAwait(false);
        string key = _keys.File(level, minTxid, maxTxid);
        string? version = _options.AsOf is { } time
            ? await FindVersionAsync(bucket, key, time, cancellationToken).ConfigureAwait(false) ?? throw new LtxFileNotFoundException(level, minTxid, maxTxid, key)
            : null;
        try
        {
            return await bucket.OpenAsync(key, version, offset, size, cancellationToken).ConfigureAwait(false);
        }
        catch (S3Exception e) when (e.Error.Code is "NoSuchKey" or "NoSuchVersion")
        {
            throw new LtxFileNotFoundException(level, minTxid, maxTxid, key, e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(files);
        RequireWritable();
        if (files.Count > 0)
        {
            S3Bucket bucket = await GetBucketAsync(cancellationToken).ConfigureAwait(false);
            await bucket.DeleteManyAsync(files.Select(file => _keys.File(file.Level, file.MinTxid, file.MaxTxid)), quiet: false, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DeleteAllAsync(CancellationToken cancellationToken)
    {
        RequireWritable();
        S3Bucket bucket = await GetBucketAsync(cancellationToken).ConfigureAwait(false);
        await foreach (ObjectListing page in bucket.ListAsync(_keys.Root, delimiter: null, startAfter: null, cancellationToken).ConfigureAwait(false))
        {
            // A server that ignores the prefix must not cost other people's objects (trap T34).
            await bucket.DeleteManyAsync(
                page.Objects.Select(stored => stored.Key).Where(key => key.StartsWith(_keys.Root, StringComparison.Ordinal)), quiet: true, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _initializing.Dispose();
        _creating.Dispose();
        return ValueTask.CompletedTask;
    }

    private async ValueTask<S3Bucket> GetBucketAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _bucket) is { } ready)
        {
            return ready;
        }

        await _initializing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_bucket is null)
            {
                S3Bucket bucket = await S3Opener.OpenAsync(_options, _transport, _files, cancellationToken).ConfigureAwait(false);
                await FindFormerPathAsync(bucket, cancellationToken).ConfigureAwait(false);
                Volatile.Write(ref _bucket, bucket);
            }

            return _bucket;
        }
        finally
        {
            _initializing.Release();
        }
    }

    /// <summary>A replica that lies under the former path is the replica (trap B23 of the command line).</summary>
    private async ValueTask FindFormerPathAsync(S3Bucket bucket, CancellationToken cancellationToken)
    {
        if (_options.FormerPath is not { } path)
        {
            return;
        }

        var former = ReplicaKeys.FlatHex(path);
        await foreach (ObjectListing page in bucket.ListAsync(former.Root, delimiter: null, startAfter: null, cancellationToken).ConfigureAwait(false))
        {
            if (page.Objects.Any(stored => stored.Key.StartsWith(former.Root, StringComparison.Ordinal) && ReplicaKeys.Parse(stored.Key) is not null))
            {
                _keys = former;
                return;
            }
        }
    }

    private void RequireWritable()
    {
        if (_options.AsOf is not null)
        {
            throw new ReplicaException($"s3: {_options} is opened as of an earlier time: it can only be read", isTransient: false);
        }
    }

    private static async IAsyncEnumerable<IReadOnlyList<StoredFile>> ListPagesAsync(
        S3Bucket bucket, int level, string prefix, string? start, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (ObjectListing page in bucket.ListAsync(prefix, delimiter: null, start, cancellationToken).ConfigureAwait(false))
        {
            yield return
            [
                .. page.Objects.Select(stored => StoredFile.Of(level, prefix, stored.Key, stored.Size, stored.LastModified, version: null))
                    .Where(file => file is not null).Select(file => file!.Value),
            ];
        }
    }

    /// <summary>The file with the time of its header; null if it has vanished since it was listed, as if it were listed a moment later (trap T4).</summary>
    private async ValueTask<LtxFileInfo?> WithHeaderTimeAsync(S3Bucket bucket, StoredFile file, CancellationToken cancellationToken)
    {
        if (await bucket.HeadAsync(file.Key, file.Version, cancellationToken).ConfigureAwait(false) is not { } head)
        {
            return null;
        }

        if (head.HeaderTime is { } time)
        {
            return file.Info with { CreatedAt = time };
        }

        // Copied by a tool that drops metadata: the file itself knows its time.
        try
        {
            Stream stream = await bucket.OpenAsync(file.Key, file.Version, 0, LtxFormat.HeaderSize, cancellationToken).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                LtxUploadHead header = await LtxUploadHead.ReadAsync(stream, file.Key, cancellationToken).ConfigureAwait(false);
                return file.Info with { CreatedAt = header.CreatedAt };
            }
        }
        catch (S3Exception e) when (e.Error.Code is "NoSuchKey" or "NoSuchVersion")
        {
            return null;
        }
        catch (ReplicaException e) when (e.InnerException is LtxException or ArgumentOutOfRangeException)
        {
            // One damaged file must not hide the others; whoever reads it fails.
            Warn("a file of the replica has no valid header: its time is the one of the store", ("key", file.Key));
            return file.Info;
        }
    }

    private void Warn(string message, params ReadOnlySpan<LogAttribute> attributes) => _transport.Options.Logger.Write(LogLevel.Warning, message, attributes);
}
