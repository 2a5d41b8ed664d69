using System.Runtime.CompilerServices;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.TestKit.Replicas;

/// <summary>A replica in memory that keeps the contract of <see cref="IReplicaClient"/>.</summary>
public sealed class MemoryReplicaClient : IReplicaClient
{
    private const int TrailerSize = 16;

    private readonly Lock _gate = new();
    private readonly SortedDictionary<(int Level, Txid Min, Txid Max), (byte[] Content, DateTimeOffset CreatedAt)> _files = [];

    /// <inheritdoc/>
    public string Type => "memory";

    /// <summary>Everything stored, by level, MinTXID, MaxTXID.</summary>
    public IReadOnlyList<LtxFileInfo> Files
    {
        get
        {
            lock (_gate)
            {
                return [.. _files.Select(file => Info(file.Key, file.Value.Content, file.Value.CreatedAt))];
            }
        }
    }

    /// <summary>The bytes of one file; a change of the array is a damaged replica.</summary>
    public byte[] Content(int level, Txid minTxid, Txid maxTxid)
    {
        lock (_gate)
        {
            return _files[(level, minTxid, maxTxid)].Content;
        }
    }

    /// <summary>Stores bytes as they are, without the checks of a write.</summary>
    public void Put(int level, Txid minTxid, Txid maxTxid, byte[] content, DateTimeOffset createdAt)
    {
        lock (_gate)
        {
            _files[(level, minTxid, maxTxid)] = (content, createdAt);
        }
    }

    /// <summary>Removes one file.</summary>
    public bool Remove(int level, Txid minTxid, Txid maxTxid)
    {
        lock (_gate)
        {
            return _files.Remove((level, minTxid, maxTxid));
        }
    }

    /// <inheritdoc/>
    public ValueTask InitializeAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        CheckLevel(level);
        await ValueTask.CompletedTask;
        foreach (LtxFileInfo info in Files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (info.Level == level && info.MinTxid >= seek)
            {
                yield return info;
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask<Stream> OpenAsync(
        int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        CheckLevel(level);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            if (!_files.TryGetValue((level, minTxid, maxTxid), out (byte[] Content, DateTimeOffset CreatedAt) file))
            {
                throw new LtxFileNotFoundException(level, minTxid, maxTxid, $"{level}/{LtxFileName.Format(minTxid, maxTxid)}");
            }

            int start = (int)Math.Min(offset, file.Content.Length);
            int left = file.Content.Length - start;
            int count = size == 0 ? left : (int)Math.Min(size, left);
            return new ValueTask<Stream>(new MemoryStream(file.Content, start, count, writable: false));
        }
    }

    /// <inheritdoc/>
    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        CheckLevel(level);
        string location = $"{level}/{LtxFileName.Format(minTxid, maxTxid)}";
        LtxUploadHead head = await LtxUploadHead.ReadAsync(source, location, cancellationToken);
        using var copy = new MemoryStream();
        copy.Write(head.Bytes.Span);
        await source.CopyToAsync(copy, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        byte[] content = copy.ToArray();
        lock (_gate)
        {
            (int Level, Txid Min, Txid Max) key = (level, minTxid, maxTxid);
            if (mode == WriteMode.CreateOnly && _files.TryGetValue(key, out (byte[] Content, DateTimeOffset CreatedAt) existing)
                && (existing.Content.Length != content.Length
                    || !existing.Content.AsSpan(^TrailerSize..).SequenceEqual(content.AsSpan(^TrailerSize..))))
            {
                throw new ReplicaConflictException(location);
            }

            _files[key] = (content, head.CreatedAt);
            return Info(key, content, head.CreatedAt);
        }
    }

    /// <inheritdoc/>
    public ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        foreach (LtxFileInfo file in files)
        {
            Remove(file.Level, file.MinTxid, file.MaxTxid);
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask DeleteAllAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _files.Clear();
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static void CheckLevel(int level)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(level);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, LtxFileInfo.SnapshotLevel);
    }

    private static LtxFileInfo Info((int Level, Txid Min, Txid Max) key, byte[] content, DateTimeOffset createdAt) =>
        new(key.Level, key.Min, key.Max, content.Length, createdAt);
}
