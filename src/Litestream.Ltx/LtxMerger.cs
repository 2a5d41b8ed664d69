namespace Litestream.Ltx;

/// <summary>
/// Merges files into one (ltx-format §13). Compressed blocks are copied as they are; pages are decompressed only to verify the
/// inputs and to feed the checksum. Legacy frames become blocks.
/// </summary>
public static class LtxMerger
{
    private const uint ProgressInterval = 1024;

    /// <summary>Merges files in the order of their transactions.</summary>
    /// <param name="inputs">The files, no page read yet; they stay open.</param>
    /// <param name="output">
    /// Where the result goes; stays open. When the merge fails it holds a file without a trailer, which must be discarded:
    /// damage of an input may be found only at its end.
    /// </param>
    /// <param name="options">How; defaults when null.</param>
    /// <param name="cancellationToken">Stops the merge.</param>
    /// <exception cref="LtxException">An input is bad, the inputs do not fit, or the result would be incomplete.</exception>
    public static async ValueTask<LtxMergeResult> MergeAsync(IReadOnlyList<LtxReader> inputs, Stream output, LtxMergeOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new LtxMergeOptions();
        var merge = new LtxMergeReader(inputs, options.AllowGaps, options.Header?.Commit);
        await merge.OpenAsync(cancellationToken).ConfigureAwait(false);
        using var writer = new LtxWriter(output, options.Header ?? CreateHeader(merge, options.Flags), leaveOpen: true);
        uint completeAbove = options.CompleteAbove ?? merge.SmallestEarlierCommit;
        while (await merge.ReadPageAsync(cancellationToken).ConfigureAwait(false))
        {
            CheckGrowth(writer, completeAbove, merge.Current.PageNumber);
            CopyPage(merge.Current, writer);
            if (writer.PageCount % ProgressInterval == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                options.Progress?.Invoke(writer.LastPage, writer.Header.Commit);
            }
        }

        CheckGrowth(writer, completeAbove, LtxFormat.NextPage(LtxFormat.LastPage(writer.Header.Commit, writer.Header.PageSize), writer.Header.PageSize));
        ulong postApply = await merge.FinishAsync(cancellationToken).ConfigureAwait(false);
        long size = writer.Finish(writer.Header.TracksChecksums ? postApply : 0);
        options.Progress?.Invoke(writer.LastPage, writer.Header.Commit);
        return new LtxMergeResult(writer.Header, size, writer.PageCount);
    }

    /// <summary>
    /// Header of a merge: time, size and last transaction of the last input, first transaction and pre-apply checksum of the first, no
    /// WAL position (ltx-format §13).
    /// </summary>
    /// <param name="first">Header of the first input.</param>
    /// <param name="last">Header of the last input.</param>
    /// <param name="flags">Header flags of the result.</param>
    public static LtxHeader ResultHeader(in LtxHeader first, in LtxHeader last, uint flags = LtxFormat.NoChecksum) => new()
    {
        Flags = flags,
        PageSize = last.PageSize,
        Commit = last.Commit,
        MinTxid = first.MinTxid,
        MaxTxid = last.MaxTxid,
        Timestamp = last.Timestamp,
        PreApplyChecksum = (flags & LtxFormat.NoChecksum) == 0 ? first.PreApplyChecksum : 0,
    };

    /// <summary>Checks that no page above <paramref name="completeAbove"/> is missing before <paramref name="next"/> (trap C21).</summary>
    private static void CheckGrowth(LtxWriter writer, uint completeAbove, uint next)
    {
        if (next <= completeAbove || writer.Header.IsSnapshot)
        {
            return; // A snapshot has its own rule, which the writer checks.
        }

        uint expected = LtxFormat.NextPage(Math.Max(writer.LastPage, completeAbove), writer.Header.PageSize);
        if (next > expected)
        {
            throw new LtxException(
                LtxErrorKind.GrowthIncomplete,
                $"the database grew from {completeAbove} to {writer.Header.Commit} pages in transactions {writer.Header.MinTxid} to {writer.Header.MaxTxid}, but no input has page {expected}; a new snapshot makes later transactions restorable",
                pageNumber: expected);
        }
    }

    private static void CopyPage(LtxReader source, LtxWriter writer)
    {
        if (source.IsLegacyFrame)
        {
            writer.WritePage(source.PageNumber, source.Page);
        }
        else
        {
            // The CRC first: it makes sure that the block really is one page before it is copied.
            ulong crc = source.PageCrc;
            writer.WriteBlock(source.PageNumber, source.Block, crc);
        }
    }

    private static LtxHeader CreateHeader(LtxMergeReader merge, uint flags)
    {
        bool track = (flags & LtxFormat.NoChecksum) == 0;
        if (track && !merge.TracksChecksums)
        {
            throw new LtxException(LtxErrorKind.FlagsMismatch, "a merge with database checksums was asked for, but an input has none");
        }

        return ResultHeader(merge.First, merge.Last, flags);
    }
}
