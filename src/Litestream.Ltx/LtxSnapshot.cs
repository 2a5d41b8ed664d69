namespace Litestream.Ltx;

/// <summary>Snapshot to database and database to snapshot (ltx-format §14).</summary>
public static class LtxSnapshot
{
    /// <summary>Writes a database as a file that holds every page but the lock page.</summary>
    /// <param name="database">The database, unchanging meanwhile.</param>
    /// <param name="header">
    /// Header of the file. Page size and commit are set from the database; the minimum transaction may be greater than 1 (a full
    /// copy that is formally incremental).
    /// </param>
    /// <param name="output">Where the file goes; stays open.</param>
    /// <param name="cancellationToken">Stops writing; what was written must be discarded.</param>
    /// <returns>Size of the file in bytes.</returns>
    public static long Encode(IPageSource database, in LtxHeader header, Stream output, CancellationToken cancellationToken = default)
    {
        LtxHeader complete = header with { PageSize = database.PageSize, Commit = database.PageCount };
        using var writer = new LtxWriter(output, complete, leaveOpen: true);
        uint last = LtxFormat.LastPage(complete.Commit, complete.PageSize);
        for (uint page = 0; page != last;)
        {
            page = LtxFormat.NextPage(page, complete.PageSize);
            writer.WritePage(page, database.ReadPage(page));
            cancellationToken.ThrowIfCancellationRequested();
        }

        return writer.Finish(complete.TracksChecksums ? writer.RollingChecksum : 0);
    }

    /// <summary>Builds a database from a snapshot, or from a snapshot and the files that follow it.</summary>
    /// <param name="files">The files, not opened yet; the first one must be a snapshot.</param>
    /// <param name="sink">Takes the pages. It must not be used before <see cref="IPageSink.Complete"/> was called.</param>
    /// <param name="cancellationToken">Stops decoding.</param>
    /// <returns>Header of the last file: the state that the database has.</returns>
    /// <exception cref="LtxException">A file is bad, they do not fit, the first is no snapshot, or a page of the result is missing.</exception>
    public static async ValueTask<LtxHeader> DecodeAsync(LtxMergeReader files, IPageSink sink, CancellationToken cancellationToken = default)
    {
        await files.OpenAsync(cancellationToken).ConfigureAwait(false);
        LtxHeader last = files.Last;
        if (!files.First.IsSnapshot)
        {
            throw new LtxException(LtxErrorKind.NotSnapshot, $"it starts at transaction {files.First.MinTxid}; a database can only be built from a file that starts at 1");
        }

        LtxHeader result = files.First with { Commit = last.Commit };
        uint previous = 0;
        while (await files.ReadPageAsync(cancellationToken).ConfigureAwait(false))
        {
            LtxReader page = files.Current;
            PageOrder.Check(result, previous, page.PageNumber, page.Name, page.FrameOffset);
            FillLockPage(previous, page.PageNumber, last.PageSize, sink);
            previous = page.PageNumber;
            page.DecompressTo(sink.Reserve(previous, last.PageSize));
        }

        PageOrder.CheckComplete(result, previous, file: null, offset: -1);
        FillLockPage(previous, last.Commit + 1UL, last.PageSize, sink);
        await files.FinishAsync(cancellationToken).ConfigureAwait(false);
        sink.Complete(last.Commit, last.PageSize);
        return last;
    }

    /// <summary>The lock page is in no file; its place is filled with zeros when it lies between two pages.</summary>
    private static void FillLockPage(uint previous, ulong next, int pageSize, IPageSink sink)
    {
        uint lockPage = LtxFormat.LockPage(pageSize);
        if (previous < lockPage && lockPage < next)
        {
            sink.Reserve(lockPage, pageSize).Clear();
        }
    }
}
