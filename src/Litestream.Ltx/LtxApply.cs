namespace Litestream.Ltx;

/// <summary>Applies a file to an existing database (ltx-format §14).</summary>
public static class LtxApply
{
    /// <summary>
    /// Applies one file. The file is read twice: it is verified to its end before the first page is written, because applying is
    /// not atomic and upstream notices damage only afterwards.
    /// </summary>
    /// <param name="file">The file, seekable; stays open.</param>
    /// <param name="database">The database; the caller makes the change durable.</param>
    /// <param name="name">Name of the file for messages.</param>
    /// <param name="cancellationToken">Stops reading; once pages are being written it is not looked at any more.</param>
    /// <returns>Header of the file.</returns>
    /// <exception cref="LtxException">
    /// The file is bad or was not made for this database (nothing was written), or the result does not have the checksum that it
    /// should have, or the file changed meanwhile (the database must be discarded).
    /// </exception>
    public static async ValueTask<LtxHeader> ApplyAsync(Stream file, IPageStore database, string? name = null, CancellationToken cancellationToken = default)
    {
        long start = file.Position;
        LtxVerifyResult verified = await LtxReader.VerifyAsync(file, name, cancellationToken).ConfigureAwait(false);
        CheckFits(verified.Header, database, name);

        file.Position = start;
        using var reader = new LtxReader(file, name, leaveOpen: true);
        LtxHeader header = reader.ReadHeader();
        while (reader.ReadPage())
        {
            database.WritePage(reader.PageNumber, reader.Page);
        }

        LtxTrailer trailer = reader.Finish();
        if (header != verified.Header || trailer != verified.Trailer)
        {
            throw new LtxException(LtxErrorKind.FileChecksum, "it changed while it was being applied; the database must be discarded", name);
        }

        database.SetPageCount(header.Commit, header.PageSize);
        CheckResult(header, trailer, database, name);
        return header;
    }

    private static void CheckFits(in LtxHeader header, IPageStore database, string? name)
    {
        if (database.PageSize != 0 && database.PageSize != header.PageSize)
        {
            throw new LtxException(LtxErrorKind.PageSizeMismatch, $"its page size is {header.PageSize}, the database has {database.PageSize}", name);
        }

        if (header.IsSnapshot || !header.TracksChecksums)
        {
            return;
        }

        ulong actual = DatabaseChecksum.OfDatabase(database);
        if (!DatabaseChecksum.AreEqual(actual, header.PreApplyChecksum))
        {
            throw new LtxException(LtxErrorKind.ChecksumChain, $"it was made for a database with checksum {header.PreApplyChecksum:x16}, this one has {actual:x16}; nothing was written", name);
        }
    }

    private static void CheckResult(in LtxHeader header, in LtxTrailer trailer, IPageStore database, string? name)
    {
        if (!header.TracksChecksums)
        {
            return;
        }

        ulong actual = DatabaseChecksum.OfDatabase(database);
        if (!DatabaseChecksum.AreEqual(actual, trailer.PostApplyChecksum))
        {
            throw new LtxException(LtxErrorKind.PostApplyChecksum, $"the database has checksum {actual:x16} after it, {trailer.PostApplyChecksum:x16} was expected; the database must be discarded", name);
        }
    }
}
