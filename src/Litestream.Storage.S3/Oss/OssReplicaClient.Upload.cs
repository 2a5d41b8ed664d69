using System.Collections.Concurrent;
using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Logging;

namespace Litestream.Storage.S3.Oss;

/// <summary>Writing: one request for what fits in a part, an upload in parts for the rest.</summary>
public sealed partial class OssReplicaClient
{
    // The store removes forgotten parts by a rule of the bucket; a shutdown must not wait for an abort that cannot succeed.
    private static readonly TimeSpan AbortTime = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        OssApi api = GetApi();
        string key = _keys.File(level, minTxid, maxTxid);
        LtxUploadHead head = await LtxUploadHead.ReadAsync(source, api.Name(key), cancellationToken).ConfigureAwait(false);
        long partSize = UploadPartSize.For(_options.PartSize, source, head.Bytes.Length);
        var parts = new PartReader(head, source, partSize, _options.Spool);
        UploadPart first = (await parts.NextAsync(cancellationToken).ConfigureAwait(false))!;
        bool mayBeThere;
        if (first.IsLast)
        {
            using (first)
            {
                mayBeThere = !await api.PutAsync(key, first, head.CreatedAt, mode, cancellationToken).ConfigureAwait(false);
            }
        }
        else
        {
            mayBeThere = !await UploadPartsAsync(api, key, head, parts, first, mode, cancellationToken).ConfigureAwait(false);
        }

        var file = new LtxFileInfo(level, minTxid, maxTxid, parts.Tap.Length, head.CreatedAt);
        if (mayBeThere)
        {
            await RequireSameAsync(file, parts.Tap, api.Name(key), mode, cancellationToken).ConfigureAwait(false);
        }

        ReplicaMetrics.Count("oss", "PUT", file.Size);
        return file;
    }

    /// <summary>False if the object may be there already, from an attempt whose answer was lost, or from somebody else.</summary>
    private async ValueTask<bool> UploadPartsAsync(
        OssApi api, string key, LtxUploadHead head, PartReader parts, UploadPart first, WriteMode mode,
        CancellationToken cancellationToken)
    {
        string? upload;
        try
        {
            upload = await api.InitiateAsync(key, head.CreatedAt, mode, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            first.Dispose();
            throw;
        }

        if (upload is null)
        {
            first.Dispose();
            await parts.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
            return false;
        }

        bool stored = false;
        try
        {
            var tags = new ConcurrentDictionary<int, string>();
            await PartedUpload.RunAsync(parts, first, parts.Concurrency(_options.Concurrency), SendPartAsync, cancellationToken).ConfigureAwait(false);
            OssCompletion end = await api.CompleteAsync(key, upload, tags, mode, cancellationToken).ConfigureAwait(false);
            stored = end != OssCompletion.Exists;
            return end == OssCompletion.Done;

            async Task SendPartAsync(UploadPart part, CancellationToken cancel) =>
                tags[part.Number] = await api.PutPartAsync(key, upload, part, cancel).ConfigureAwait(false);
        }
        finally
        {
            if (!stored)
            {
                await AbortAsync(api, key, upload).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask AbortAsync(OssApi api, string key, string upload)
    {
        using var limit = new CancellationTokenSource(AbortTime, _transport.Options.Time);
        try
        {
            await api.AbortAsync(key, upload, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ReplicaException or OperationCanceledException)
        {
            _transport.Options.Logger.Write(
                LogLevel.Warning, "cannot abort an upload; its parts cost storage until a rule of the bucket removes them",
                ("object", api.Name(key)), ("error", e.Message));
        }
    }

    private async ValueTask RequireSameAsync(LtxFileInfo file, TrailerTap tap, string location, WriteMode mode, CancellationToken cancellationToken)
    {
        try
        {
            await ExistingObject.RequireSameAsync(this, file, tap.Last, location, cancellationToken).ConfigureAwait(false);
        }
        catch (LtxFileNotFoundException e)
        {
            throw new ReplicaException($"write {location}: it was there, and then it was not; write it again", isTransient: true, e);
        }
        catch (ReplicaConflictException e) when (mode == WriteMode.Overwrite)
        {
            throw new ReplicaException($"write {location}: the store does not know the upload any more; write it again", isTransient: true, e);
        }
    }
}
