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
        var merge = new LtxMergeReader(inputs, options.AllowGaps);
        await merge.OpenAsync(cancellationToken).ConfigureAwait(false);
        using var writer = new LtxWriter(output, CreateHeader(merge, options.Flags), leaveOpen: true);
        while (await merge.ReadPageAsync(cancellationToken).ConfigureAwait(false))
        {
            CopyPage(merge.Current, writer);
            if (writer.PageCount % ProgressInterval == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                options.Progress?.Invoke(writer.LastPage, writer.Header.Commit);
            }
        }

        ulong postApply = await merge.FinishAsync(cancellationToken).ConfigureAwait(false);
        long size = writer.Finish(writer.Header.TracksChecksums ? postApply : 0);
        options.Progress?.Invoke(writer.LastPage, writer.Header.Commit);
        return new LtxMergeResult(writer.Header, size, writer.PageCount);
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

        return new LtxHeader
        {
            Flags = flags,
            PageSize = merge.Last.PageSize,
            Commit = merge.Last.Commit,
            MinTxid = merge.First.MinTxid,
            MaxTxid = merge.Last.MaxTxid,
            Timestamp = merge.Last.Timestamp,
            PreApplyChecksum = track ? merge.First.PreApplyChecksum : 0,
        };
    }
}
