using System.Collections.Concurrent;
using System.Globalization;
using Litestream.Ltx;
using Litestream.Storage.Transport;

namespace Litestream.Storage.S3;

/// <summary>Writing: one request for small files, parts for large ones.</summary>
public sealed partial class S3ReplicaClient
{
    private static readonly TimeSpan AbortPatience = TimeSpan.FromSeconds(15);

    // Where the server has no conditional writes: one creation at a time, so that at least this process never races itself.
    private readonly SemaphoreSlim _creating = new(1, 1);
    private bool _lacksConditions;

    /// <inheritdoc/>
    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        RequireWritable();
        string key = _keys.File(level, minTxid, maxTxid);
        LtxUploadHead head = await LtxUploadHead.ReadAsync(source, key, cancellationToken).ConfigureAwait(false);
        S3Bucket bucket = await GetBucketAsync(cancellationToken).ConfigureAwait(false);
        long partSize = UploadPartSize.For(bucket.Settings.PartSize, source, head.Bytes.Length);
        if (partSize > S3Settings.MaxPartSize)
        {
            throw new ReplicaException($"s3: {key} would need parts of {partSize} bytes, but S3 takes at most {S3Settings.MaxPartSize}: it is too large", isTransient: false);
        }

        var parts = new PartReader(head, source, partSize, _options.Spool);
        UploadPart first = (await parts.NextAsync(cancellationToken).ConfigureAwait(false))!;
        var upload = new Upload(bucket, key, HeaderTime.Format(head.CreatedAt), mode == WriteMode.CreateOnly, parts.Tap);
        if (first.IsLast)
        {
            using (first)
            {
                await PutAsync(upload, level, minTxid, maxTxid, first, cancellationToken).ConfigureAwait(false);
            }
        }
        else
        {
            await UploadPartsAsync(upload, parts, first, Info, cancellationToken).ConfigureAwait(false);
        }

        ReplicaMetrics.Count(Type, "PUT", upload.Tap.Length);
        return Info();

        LtxFileInfo Info() => new(level, minTxid, maxTxid, upload.Tap.Length, head.CreatedAt);
    }

    private async ValueTask PutAsync(Upload upload, int level, Txid min, Txid max, UploadBytes body, CancellationToken cancellationToken)
    {
        var info = new LtxFileInfo(level, min, max, body.Length, default);
        if (upload.CreateOnly && Volatile.Read(ref _lacksConditions))
        {
            await CreateUnconditionallyAsync(upload, info, body, cancellationToken).ConfigureAwait(false);
            return;
        }

        try
        {
            await upload.Bucket.PutAsync(upload.Key, body, upload.Timestamp, upload.CreateOnly, cancellationToken).ConfigureAwait(false);
        }
        catch (S3Exception e) when (upload.CreateOnly && S3Bucket.IsConflict(e))
        {
            await RequireSameAsync(upload, info, e, cancellationToken).ConfigureAwait(false);
        }
        catch (S3Exception e) when (upload.CreateOnly && S3Bucket.IsUnsupported(e))
        {
            if (!Interlocked.Exchange(ref _lacksConditions, true))
            {
                Warn(
                    "the store has no conditional writes: a second writer on this path is seen only when it has written already",
                    ("bucket", upload.Bucket.Settings.Bucket), ("error", e.Message));
            }

            await CreateUnconditionallyAsync(upload, info, body, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask CreateUnconditionallyAsync(Upload upload, LtxFileInfo info, UploadBytes body, CancellationToken cancellationToken)
    {
        await _creating.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (await upload.Bucket.HeadAsync(upload.Key, version: null, cancellationToken).ConfigureAwait(false) is not null)
            {
                await ExistingObject.RequireSameAsync(this, info, upload.Tap.Last, upload.Key, cancellationToken).ConfigureAwait(false);
                return;
            }

            await upload.Bucket.PutAsync(upload.Key, body, upload.Timestamp, createOnly: false, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _creating.Release();
        }
    }

    private async Task UploadPartsAsync(
        Upload upload, PartReader parts, UploadPart first, Func<LtxFileInfo> info, CancellationToken cancellationToken)
    {
        string id;
        bool exists;
        try
        {
            // Some servers ignore the condition on the completion, and a conflict is better found before the bytes are sent.
            exists = upload.CreateOnly && await upload.Bucket.HeadAsync(upload.Key, version: null, cancellationToken).ConfigureAwait(false) is not null;
            id = exists ? "" : await upload.Bucket.InitiateAsync(upload.Key, upload.Timestamp, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            first.Dispose();
            throw;
        }

        if (exists)
        {
            first.Dispose();
            await parts.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
            await ExistingObject.RequireSameAsync(this, info(), upload.Tap.Last, upload.Key, cancellationToken).ConfigureAwait(false);
            return;
        }

        bool done = false;
        try
        {
            var tags = new ConcurrentDictionary<int, string>();
            int concurrency = parts.Concurrency(upload.Bucket.Settings.Concurrency);
            await PartedUpload.RunAsync(parts, first, concurrency, (part, token) => SendPartAsync(upload, id, part, tags, token), cancellationToken).ConfigureAwait(false);
            done = await CompleteAsync(upload, id, tags, info, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (!done)
            {
                await AbortAsync(upload, id).ConfigureAwait(false);
            }
        }
    }

    private static async Task SendPartAsync(Upload upload, string id, UploadPart part, ConcurrentDictionary<int, string> tags, CancellationToken cancellationToken)
    {
        if (part.Number > MultipartDocument.MaxParts)
        {
            throw new ReplicaException(
                string.Create(CultureInfo.InvariantCulture, $"s3: {upload.Key} has more than {MultipartDocument.MaxParts} parts: set a larger part-size"), isTransient: false);
        }

        // Hashing a part must not keep the next one from being read.
        await Task.Yield();
        tags[part.Number] = await upload.Bucket.UploadPartAsync(upload.Key, id, part.Number, part, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>True when the object stands with our content, also if the answer to an earlier attempt was lost.</summary>
    private async ValueTask<bool> CompleteAsync(
        Upload upload, string id, ConcurrentDictionary<int, string> tags, Func<LtxFileInfo> info, CancellationToken cancellationToken)
    {
        bool conditional = upload.CreateOnly && !Volatile.Read(ref _lacksConditions);
        try
        {
            return await upload.Bucket.CompleteAsync(upload.Key, id, tags, conditional, cancellationToken).ConfigureAwait(false);
        }
        catch (S3Exception e) when (conditional && S3Bucket.IsUnsupported(e))
        {
            return await upload.Bucket.CompleteAsync(upload.Key, id, tags, createOnly: false, cancellationToken).ConfigureAwait(false);
        }
        catch (S3Exception e) when (e.Error.Code == "NoSuchUpload" || (conditional && S3Bucket.IsConflict(e)))
        {
            await RequireSameAsync(upload, info(), e, cancellationToken).ConfigureAwait(false);

            // What was refused still holds its parts; what was completed before is not known any more.
            return e.Error.Code == "NoSuchUpload";
        }
    }

    /// <summary>Decides a conflict: our own earlier attempt, a second writer, or nothing there after all, which is worth another attempt later.</summary>
    private async ValueTask RequireSameAsync(Upload upload, LtxFileInfo info, S3Exception cause, CancellationToken cancellationToken)
    {
        try
        {
            await ExistingObject.RequireSameAsync(this, info, upload.Tap.Last, upload.Key, cancellationToken).ConfigureAwait(false);
        }
        catch (LtxFileNotFoundException)
        {
            throw new ReplicaException($"s3: {upload.Key} was not stored, and nothing else is there: {cause.Message}", isTransient: true, cause);
        }
        catch (ReplicaConflictException e) when (!upload.CreateOnly)
        {
            throw new ReplicaException($"s3: the upload of {upload.Key} has vanished at the store: {cause.Message}", isTransient: true, e);
        }
    }

    /// <summary>Parts that nobody completes cost money for ever; also after a cancellation they are thrown away, with patience of its own.</summary>
    private async ValueTask AbortAsync(Upload upload, string id)
    {
        using var patience = new CancellationTokenSource(AbortPatience, _transport.Options.Time);
        try
        {
            await upload.Bucket.AbortAsync(upload.Key, id, patience.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ReplicaException or OperationCanceledException)
        {
            Warn("parts of a failed upload remain at the store: a lifecycle rule for incomplete uploads removes them", ("key", upload.Key), ("error", e.Message));
        }
    }

    private sealed record Upload(S3Bucket Bucket, string Key, string Timestamp, bool CreateOnly, TrailerTap Tap);
}
