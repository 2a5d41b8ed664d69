using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Logging;

namespace Litestream.Storage.Nats;

/// <summary>Storing: chunks first, and when the server has them all, the metadata that makes them an object.</summary>
public sealed partial class NatsReplicaClient
{
    /// <summary>Rounds against others who write the same object, before the attempt counts as failed.</summary>
    private const int MaxRounds = 5;

    private enum Placement
    {
        Stored,
        Taken,
    }

    /// <inheritdoc/>
    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        string name = Keys.File(level, minTxid, maxTxid);
        LtxUploadHead head = await LtxUploadHead.ReadAsync(source, name, cancellationToken).ConfigureAwait(false);
        Bucket bucket = await OpenBucketAsync(cancellationToken).ConfigureAwait(false);
        long began = _transport.Time.GetTimestamp();
        var upload = new ChunkUpload(bucket.JetStream, bucket.Names, new ChunkSource(head, source));
        try
        {
            StoredChunks chunks = await _retry.ExecuteAsync("PUT " + name, upload.TryAsync, cancellationToken).ConfigureAwait(false);
            chunks.Failure?.Throw();
            var info = new LtxFileInfo(level, minTxid, maxTxid, chunks.Size, head.CreatedAt);
            var metadata = new ObjectMetadata
            {
                Name = name,
                Nuid = chunks.Nuid,
                Size = chunks.Size,
                Chunks = chunks.Map.Count,
                Timestamp = head.CreatedAt,
                Digest = chunks.Digest,
                Map = chunks.Map,
            };
            await PublishAsync(bucket, metadata, info, chunks.Trailer, mode, cancellationToken).ConfigureAwait(false);
            ReplicaMetrics.Count(Type, "PUT", chunks.Size);
            ReplicaMetrics.Took(Type, "PUT", _transport.Time.GetElapsedTime(began));
            return info;
        }
        finally
        {
            foreach (AbandonedChunks left in upload.Abandoned)
            {
                await RemoveChunksAsync(bucket, left.Nuid, left.Sent).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// Makes the chunks visible. From here on they are purged only when it is certain that the metadata is not stored: an answer that did not
    /// come says nothing.
    /// </summary>
    private async ValueTask PublishAsync(
        Bucket bucket, ObjectMetadata metadata, LtxFileInfo info, ReadOnlyMemory<byte> trailer, WriteMode mode, CancellationToken cancellationToken)
    {
        NewestMetadata replaced = default;
        bool known = mode == WriteMode.CreateOnly; // Nothing is there, most likely: the server says so if not.
        ReadOnlyMemory<byte> json = metadata.ToJson(bucket.Names.Bucket);
        Placement placement = await _retry.ExecuteAsync(
            "PUT " + metadata.Name,
            async token =>
            {
                for (int round = 0; round < MaxRounds; round++)
                {
                    if (!known)
                    {
                        replaced = await bucket.GetAsync(metadata.Name, token).ConfigureAwait(false);
                        if (replaced.Object?.Nuid == metadata.Nuid)
                        {
                            replaced = default;
                            return Placement.Stored; // Our own earlier attempt, whose answer was lost.
                        }

                        if (mode == WriteMode.CreateOnly && replaced.Object is not null)
                        {
                            return Placement.Taken;
                        }
                    }

                    known = false;
                    if (await bucket.JetStream.ReplaceAsync(bucket.Names.Metadata(metadata.Name), json, replaced.Sequence, token).ConfigureAwait(false) is not null)
                    {
                        return Placement.Stored;
                    }
                }

                throw new ReplicaException($"nats: {metadata.Name} is written by somebody else all the time", isTransient: true);
            },
            cancellationToken).ConfigureAwait(false);
        if (placement == Placement.Taken)
        {
            await RemoveChunksAsync(bucket, metadata.Nuid, metadata.Chunks).ConfigureAwait(false);
            await RequireSameAsync(info, trailer, metadata.Name, cancellationToken).ConfigureAwait(false);
        }
        else if ((replaced.Object ?? replaced.Tombstone) is { } former)
        {
            await RemoveChunksAsync(bucket, former.Nuid, replaced.Object?.Chunks).ConfigureAwait(false);
        }
    }

    private async ValueTask RequireSameAsync(LtxFileInfo info, ReadOnlyMemory<byte> trailer, string name, CancellationToken cancellationToken)
    {
        try
        {
            await ExistingObject.RequireSameAsync(this, info, trailer, $"{_options}/{name}", cancellationToken).ConfigureAwait(false);
        }
        catch (LtxFileNotFoundException e)
        {
            throw new ReplicaException($"nats: {name} was deleted while it was being written", isTransient: true, e);
        }
    }

    /// <summary>Removes chunks that belong to no object. That they stay costs space, nothing else: it is not worth failing for.</summary>
    private async ValueTask RemoveChunksAsync(Bucket bucket, string nuid, long? count)
    {
        try
        {
            await bucket.RemoveChunksAsync(nuid, count, CancellationToken.None).ConfigureAwait(false);
        }
        catch (ReplicaException e)
        {
            _transport.Logger.Write(LogLevel.Warning, "chunks that belong to no object could not be removed", ("replica", _options), ("nuid", nuid), ("error", e.Message));
        }
    }
}
