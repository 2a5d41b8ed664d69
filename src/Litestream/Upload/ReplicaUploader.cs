using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Upload;

/// <summary>
/// Uploads level-0 files strictly in TXID order, one at a time (replication §10). It knows the remote position after the start and
/// never lists again: the writer knows its own files.
/// </summary>
/// <param name="client">The replica.</param>
/// <param name="directory">Local files.</param>
/// <param name="published">Newest transaction that may be uploaded.</param>
/// <param name="services">Clock.</param>
/// <param name="logger">Log of the database.</param>
/// <param name="written">Told of every file that has been written: level 0 and snapshots.</param>
internal sealed class ReplicaUploader(
    IReplicaClient client,
    LocalLtxDirectory directory,
    PublishedPosition published,
    EngineServices services,
    ILogger logger,
    Action<LtxFileInfo>? written = null) : IDisposable
{
    private readonly SemaphoreSlim turn = new(1, 1);
    private int? remotePageSize;
    private Txid baseRequiredAt;
    private long lastSuccessTicks;

    /// <summary>Newest transaction on the replica; null until the start has asked.</summary>
    public Txid? RemotePosition { get; private set; }

    /// <summary>True if nothing published waits for upload and no upload runs.</summary>
    public bool IsIdle => turn.CurrentCount > 0 && RemotePosition is { } remote && remote >= published.Value;

    /// <summary>When the replica was last known to hold everything published.</summary>
    public DateTimeOffset? LastSuccess => lastSuccessTicks == 0 ? null : new DateTimeOffset(lastSuccessTicks, TimeSpan.Zero);

    /// <summary>Bytes and files uploaded.</summary>
    public long UploadedFiles { get; private set; }

    /// <summary>Remembers what the start found on the replica.</summary>
    /// <param name="position">Greatest TXID of all levels (trap B11).</param>
    public void Reset(Txid position)
    {
        RemotePosition = position;
        remotePageSize = null;
        baseRequiredAt = Txid.None;
    }

    /// <summary>Capture has just found nothing new: if everything is uploaded, the replica is as good as the database now (trap A21).</summary>
    public void ConfirmIfIdle()
    {
        if (IsIdle && RemotePosition == published.Value)
        {
            Interlocked.Exchange(ref lastSuccessTicks, services.Time.GetUtcNow().UtcTicks);
        }
    }

    /// <summary>The full copy of this transaction must also become a snapshot: nothing on the replica leads up to it.</summary>
    public void RequireBase(Txid txid) => baseRequiredAt = txid;

    /// <summary>Uploads everything published. Waits while another call does the same.</summary>
    /// <exception cref="ReplicaConflictException">Another writer is on this replica.</exception>
    /// <exception cref="LocalLtxException">A local file is missing or damaged.</exception>
    public async Task UploadAsync(CancellationToken cancellationToken)
    {
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            Txid remote = RemotePosition ?? throw new InvalidOperationException("the remote position is not known yet");
            Txid target = published.Value;
            while (remote < target)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await UploadFileAsync(remote.Next, cancellationToken).ConfigureAwait(false);
                RemotePosition = remote = remote.Next;
                target = published.Value;
            }

            Interlocked.Exchange(ref lastSuccessTicks, services.Time.GetUtcNow().UtcTicks);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Writes a snapshot 1-n at level 9.</summary>
    public async Task<LtxFileInfo> UploadSnapshotAsync(Txid txid, long maxLength, Action<Stream> encode, CancellationToken cancellationToken)
    {
        LtxFileInfo file = await StreamingUpload.RunAsync(
            client, LtxFileInfo.SnapshotLevel, new Txid(1), txid, maxLength, encode, cancellationToken).ConfigureAwait(false);
        written?.Invoke(file);
        logger.Write(LogLevel.Information, "snapshot complete", ("txid", txid.ToString()), ("size", file.Size));
        return file;
    }

    private async Task UploadFileAsync(Txid txid, CancellationToken cancellationToken)
    {
        // Verified whole: what is uploaded counts as safe, so a file that the disk has damaged must be noticed now (trap A16).
        int pageSize = directory.VerifyForUpload(txid).PageSize;
        if (await RemotePageSizeAsync(cancellationToken).ConfigureAwait(false) is { } before && before != pageSize)
        {
            // Files of two page sizes do not merge: the copy becomes a base of its own, and before the increment, so that the newest
            // state can be restored at every moment (trap B6).
            logger.Write(
                LogLevel.Warning, "page size changed, uploading a new snapshot", ("from", before), ("to", pageSize), ("txid", txid.ToString()));
            baseRequiredAt = txid;
        }

        if (baseRequiredAt == txid)
        {
            await UploadBaseAsync(txid, cancellationToken).ConfigureAwait(false);
            baseRequiredAt = Txid.None;
        }

        Stream source = directory.Open(txid);
        await using (source.ConfigureAwait(false))
        {
            LtxFileInfo file = await client.WriteAsync(0, txid, txid, source, WriteMode.CreateOnly, cancellationToken).ConfigureAwait(false);
            remotePageSize = pageSize;
            UploadedFiles++;
            written?.Invoke(file);
            logger.Write(
                LogLevel.Debug, "ltx file uploaded", ("level", 0), ("minTXID", txid.ToString()), ("maxTXID", txid.ToString()), ("size", file.Size));
        }
    }

    /// <summary>Writes a local full copy as snapshot 1-n: the same pages under another header. Blocks are copied compressed.</summary>
    private async Task UploadBaseAsync(Txid txid, CancellationToken cancellationToken) =>
        await UploadSnapshotAsync(
            txid,
            directory.SizeOf(txid) ?? 0,
            destination =>
            {
                using Stream source = directory.Open(txid);
                using var reader = new LtxReader(source, directory.PathOf(txid), leaveOpen: true);
                LtxHeader header = reader.ReadHeader() with { MinTxid = new Txid(1) };
                using var writer = new LtxWriter(destination, header, leaveOpen: true);
                while (reader.ReadPage())
                {
                    writer.WriteBlock(reader.PageNumber, reader.Block, reader.Page);
                }

                reader.Finish();
                writer.Finish();
            },
            cancellationToken).ConfigureAwait(false);

    /// <summary>Page size of the newest file on the replica: asked once after the start, then known from our own uploads.</summary>
    private async ValueTask<int?> RemotePageSizeAsync(CancellationToken cancellationToken)
    {
        if (remotePageSize is not null || RemotePosition is not { IsNone: false } newest)
        {
            return remotePageSize;
        }

        try
        {
            Stream stream = await client.OpenAsync(0, newest, newest, 0, LtxFormat.HeaderSize, cancellationToken).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                byte[] bytes = new byte[LtxFormat.HeaderSize];
                await stream.ReadExactlyAsync(bytes, cancellationToken).ConfigureAwait(false);
                remotePageSize = LtxHeader.Parse(bytes).PageSize;
            }
        }
        catch (LtxFileNotFoundException)
        {
            // Only merged levels are left; the start has taken a full copy then, which is uploaded as a base.
        }

        return remotePageSize;
    }

    /// <inheritdoc/>
    public void Dispose() => turn.Dispose();
}
