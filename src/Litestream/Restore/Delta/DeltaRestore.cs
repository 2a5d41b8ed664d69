using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Restore.Delta;

/// <summary>
/// Brings an older or damaged copy to the planned state (decision D1): the page indexes of the files between the two states say which
/// pages differ; everything else is copied if it has its digest, and the rest is fetched by range.
/// </summary>
/// <param name="client">The replica.</param>
/// <param name="files">File system of both databases.</param>
/// <param name="time">Clock of retry waits.</param>
/// <param name="logger">Where it is said why everything is fetched.</param>
internal sealed class DeltaRestore(IReplicaClient client, IFileSystem files, TimeProvider time, ILogger logger)
{
    private const int ChecksumSize = sizeof(ulong);

    /// <summary>Builds the database.</summary>
    /// <param name="options">What to restore; the base path is set.</param>
    /// <param name="plan">Files that lead to the wanted state.</param>
    /// <param name="output">The new file.</param>
    /// <param name="origin">Takes up which files were used.</param>
    /// <param name="progress">Told after each part; null = nobody.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>Size in bytes and figures; null if everything must be fetched, said why, and nothing was written.</returns>
    /// <exception cref="LtxFileException">A file is damaged.</exception>
    /// <exception cref="LtxFileNotFoundException">A file is gone.</exception>
    internal async Task<(long Size, DeltaReport Report)?> BuildAsync(
        RestoreOptions options, RestorePlan plan, IFile output, RestoreOrigin origin,
        IProgress<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        using DeltaBase? source = DeltaBase.Open(files, options.BasePath!, out string problem);
        if (source is null)
        {
            return FetchAll(problem);
        }

        ReplicaListing listing = await ReplicaListing.ReadAsync(client, accurateTimes: false, cancellationToken);
        if (await FindForeignAsync(source.Digests, listing, cancellationToken) is { } foreign)
        {
            return FetchAll(foreign);
        }

        (Txid from, Txid to) = (source.Digests.Txid, plan.MaxTxid);
        bool forward = to >= from;
        if (DeltaChain.Find(listing.All.Where(IsReadable), forward ? from : to, forward ? to : from, exact: forward) is not { } chain)
        {
            return FetchAll($"the replica no longer has the files between {from} and {to}, or has too many");
        }

        using DeltaPages pages = await LoadAsync(source, plan, chain, forward, cancellationToken);
        if (pages.Newest.PageSize != source.Digests.PageSize)
        {
            return FetchAll($"the page size was {source.Digests.PageSize} and is {pages.Newest.PageSize}");
        }

        pages.Copy(output, cancellationToken);
        using var builder = new LtxDatabaseBuilder(client, time, plan.Files, output, options.Parallelism, progress, origin, pages);
        long size = await builder.BuildAsync(cancellationToken);
        RequireSizeOfHeader(output, plan.Files[^1], pages.Newest);
        origin.AddRest(source.Digests.Anchors.Where(anchor => anchor.File.MaxTxid <= to));
        return (size, pages.Report());
    }

    private static bool IsReadable(LtxFileInfo file) => file.Size >= LtxFormat.MinFileSize;

    private (long Size, DeltaReport Report)? FetchAll(string reason)
    {
        logger.Write(LogLevel.Warning, "everything is fetched", ("reason", reason));
        return null;
    }

    /// <summary>
    /// Equal transaction numbers are no proof: the replica may have begun anew, or be another one. The newest file that the copy was made
    /// from and that is still there must be the same file.
    /// </summary>
    private async Task<string?> FindForeignAsync(PageDigestFile digests, ReplicaListing listing, CancellationToken cancellationToken)
    {
        foreach (ReplicaAnchor anchor in digests.Anchors.OrderByDescending(anchor => anchor.File.MaxTxid))
        {
            if (anchor.File.Level is < 0 or >= LtxFileInfo.LevelCount)
            {
                continue;
            }

            LtxFileInfo listed = listing[anchor.File.Level].FirstOrDefault(file => anchor.IsNamed(file));
            if (listed.Size == 0)
            {
                continue;
            }

            byte[] checksum = new byte[ChecksumSize];
            if (listed.Size == anchor.File.Size)
            {
                await ResumableReader.ForReplica(client, listed, time).ReadAsync(listed.Size - ChecksumSize, checksum, cancellationToken);
            }

            return System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(checksum) == anchor.Checksum
                ? null
                : $"the local copy is not of this replica: file level={listed.Level} min={listed.MinTxid} max={listed.MaxTxid} is another one";
        }

        return "none of the files that the local copy was made from is left in the replica";
    }

    /// <summary>Reads the indexes of the files between the states: they name the pages that differ.</summary>
    private async Task<DeltaPages> LoadAsync(
        DeltaBase source, RestorePlan plan, List<LtxFileInfo> chain, bool forward, CancellationToken cancellationToken)
    {
        var changed = new ChangedPages();
        var loaded = new Queue<PlannedFile>();
        long bytes = 0;
        try
        {
            foreach (LtxFileInfo file in Enumerable.Reverse(chain))
            {
                PlannedFile planned = await LoadAsync(file, cancellationToken);
                planned.AddPagesTo(changed);
                bytes += planned.BytesLoaded;
                if (forward)
                {
                    loaded.Enqueue(planned);
                }
                else
                {
                    planned.Dispose(); // Newer than what is wanted: only the names of its pages count.
                }
            }

            if (loaded.Count == 0)
            {
                PlannedFile newest = await LoadAsync(plan.Files[^1], cancellationToken);
                bytes += newest.BytesLoaded;
                loaded.Enqueue(newest);
            }

            var pages = new DeltaPages(source, changed, loaded);
            pages.AddBytes(bytes);
            return pages;
        }
        catch
        {
            foreach (PlannedFile file in loaded)
            {
                file.Dispose();
            }

            throw;
        }
    }

    private async Task<PlannedFile> LoadAsync(LtxFileInfo file, CancellationToken cancellationToken)
    {
        try
        {
            return await PlannedFile.LoadAsync(client, file, time, PlannedFile.IndexReadSize, cancellationToken);
        }
        catch (LtxException damage)
        {
            throw new LtxFileException(file, damage);
        }
    }

    /// <summary>
    /// The size of the database comes from a header that no checksum may have covered: SQLite keeps the size in page 1, too, and both
    /// must agree.
    /// </summary>
    private static void RequireSizeOfHeader(IFile output, LtxFileInfo file, in LtxHeader newest)
    {
        Span<byte> first = stackalloc byte[100];
        bool isDatabase = output.Read(first, 0) == first.Length && first.StartsWith("SQLite format 3\0"u8);
        if (isDatabase && first[24..28].SequenceEqual(first[92..96]))
        {
            uint size = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(first[28..]);
            if (size != newest.Commit)
            {
                throw new LtxFileException(
                    file, new LtxException(LtxErrorKind.HeaderInvalid, $"the header says {newest.Commit} pages, the database says {size}", file.Name));
            }
        }
    }
}
