using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.State;
using Litestream.Storage;
using Litestream.Upload;
using Microsoft.Extensions.Logging;

namespace Litestream.Levels;

/// <summary>
/// Merges files of one level into one file of the next (store-and-restore §3). Sources come from the state directory where it has
/// them, else from the replica. Until the upload has succeeded nothing is visible anywhere, and no failure leaves anything behind.
/// </summary>
/// <param name="client">The replica.</param>
/// <param name="directory">Local files.</param>
/// <param name="keepLocal">Whether the result stays in the state directory, so that the next merge needs no download (decision D6).</param>
/// <param name="services">Files and clock.</param>
/// <param name="logger">Log of the database.</param>
internal sealed class LevelMerger(
    IReplicaClient client, LocalLtxDirectory directory, bool keepLocal, EngineServices services, ILogger logger)
{
    /// <summary>So many damaged local files are worked around in one merge; more look like a broken disk.</summary>
    private const int MostDamagedCopies = 8;

    /// <summary>Merges sources into one file and uploads it.</summary>
    /// <param name="sources">At least one, ascending, without gaps. One contained in its predecessor adds nothing and is left out.</param>
    /// <param name="level">Level of the result, 1 to 8.</param>
    /// <param name="cancellationToken">Stops the merge; nothing becomes visible.</param>
    /// <returns>The file as uploaded: first to last transaction of the sources, time of the newest source.</returns>
    /// <exception cref="LtxException">
    /// The sources do not fit together, or have kind <see cref="LtxErrorKind.GrowthIncomplete"/>: pages are missing in all of them,
    /// and only a new snapshot makes later transactions restorable.
    /// </exception>
    /// <exception cref="LtxFileException">A source is damaged.</exception>
    /// <exception cref="LtxFileNotFoundException">A source is neither here nor on the replica any more: plan again.</exception>
    /// <exception cref="LocalLtxException">A local file cannot be read or written.</exception>
    public async Task<LtxFileInfo> MergeAsync(IReadOnlyList<LtxFileInfo> sources, int level, CancellationToken cancellationToken)
    {
        List<LtxFileInfo> chain = Chain(sources);
        var damaged = new HashSet<LtxFileInfo>();
        while (true)
        {
            try
            {
                // Away from the caller: local files are read and written synchronously.
                return await Task.Run(() => MergeOnceAsync(chain, level, damaged, cancellationToken), cancellationToken).ConfigureAwait(false);
            }
            catch (IOException e) when (
                damaged.Count < MostDamagedCopies && DamagedCopy(e, chain) is { } file && damaged.Add(file))
            {
                logger.Write(
                    LogLevel.Warning, "local ltx file cannot be used, reading it from the replica", ("path", directory.PathOf(file)), ("error", e.Message));
            }
            catch (LtxException e) when (chain.FindIndex(file => e.FileName == file.Name || e.FileName == directory.PathOf(file)) is var i and >= 0)
            {
                throw new LtxFileException(chain[i], e);
            }
        }
    }

    /// <summary>The sources without those that add nothing; a gap between them is an error, never a hole in the result (traps C10, C13).</summary>
    private List<LtxFileInfo> Chain(IReadOnlyList<LtxFileInfo> sources)
    {
        ArgumentOutOfRangeException.ThrowIfZero(sources.Count);
        var chain = new List<LtxFileInfo>(sources.Count) { sources[0] };
        foreach (LtxFileInfo file in sources.Skip(1))
        {
            Txid reached = chain[^1].MaxTxid;
            if (file.MaxTxid <= reached)
            {
                logger.Write(
                    LogLevel.Debug, "ltx file adds nothing to the merge", ("level", file.Level), ("minTXID", file.MinTxid.ToString()), ("maxTXID", file.MaxTxid.ToString()));
                continue;
            }

            if (file.MinTxid > reached.Next || file.MinTxid < chain[^1].MinTxid)
            {
                throw new LtxException(
                    LtxErrorKind.NotContiguous, $"it begins at transaction {file.MinTxid}, the merge has {chain[^1].MinTxid} to {reached} before it", $"{file.Name} of level {file.Level}");
            }

            chain.Add(file);
        }

        return chain;
    }

    private async Task<LtxFileInfo> MergeOnceAsync(
        List<LtxFileInfo> chain, int level, HashSet<LtxFileInfo> damaged, CancellationToken cancellationToken)
    {
        Txid min = chain[0].MinTxid;
        Txid max = chain[^1].MaxTxid;
        var merge = new LevelMerge(
            chain.Select((file, number) => Input(number, file, damaged.Contains(file))), level, CommitBefore(chain[0], level), directory);
        await using (merge.ConfigureAwait(false))
        {
            await merge.PrepareAsync(cancellationToken).ConfigureAwait(false);
            return keepLocal
                ? await WriteThroughLocalFileAsync(merge, level, min, max, cancellationToken).ConfigureAwait(false)
                : await StreamingUpload.RunAsync(
                    client, level, min, max, merge.MaxLength, stream => merge.WriteAsync(stream, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<LtxFileInfo> WriteThroughLocalFileAsync(
        LevelMerge merge, int level, Txid min, Txid max, CancellationToken cancellationToken)
    {
        using StagedLtxFile staged = directory.Stage(level, min, max);
        await merge.WriteAsync(staged.Content, cancellationToken).ConfigureAwait(false);
        staged.Seal();
        LtxFileInfo written;
        var content = new ReopeningFileStream(staged.OpenRead, staged.Size);
        await using (content.ConfigureAwait(false))
        {
            written = await client.WriteAsync(level, min, max, content, WriteMode.Overwrite, cancellationToken).ConfigureAwait(false);
        }

        // Only now: a local file that the replica does not have would be taken for one that it has.
        try
        {
            staged.Publish();
        }
        catch (LocalLtxException e)
        {
            logger.Write(LogLevel.Warning, "merged ltx file is not kept locally, the next merge will download it", ("error", e.Message));
        }

        return written;
    }

    private MergeInput Input(int number, in LtxFileInfo file, bool remoteOnly) =>
        !remoteOnly && directory.SizeOf(file) is { } size
            ? MergeInput.Local(number, file, size, directory)
            : MergeInput.Remote(number, file, client, services.Time);

    /// <summary>
    /// The source whose local copy caused the failure, if the replica's may be better. Other local errors (permissions, I/O) abort:
    /// they would come back, at the price of a download each time.
    /// </summary>
    private LtxFileInfo? DamagedCopy(IOException failure, List<LtxFileInfo> chain)
    {
        string? path = failure switch
        {
            LtxException { Kind: not (LtxErrorKind.PageSizeMismatch or LtxErrorKind.ChecksumChain) } e => e.FileName,
            LocalLtxException { Problem: LocalLtxProblem.Missing } e => e.Path,
            _ => null,
        };
        int index = path is null ? -1 : chain.FindIndex(file => directory.PathOf(file) == path);
        return index < 0 ? null : chain[index];
    }

    /// <summary>Size of the database before the first source, from the local file that ends there; null if there is none.</summary>
    private uint? CommitBefore(in LtxFileInfo first, int level)
    {
        if (first.MinTxid.Value <= 1)
        {
            return 0;
        }

        var before = new Txid(first.MinTxid.Value - 1);
        LtxFileInfo levelZero = new(0, before, before, 0, default);
        try
        {
            LtxFileInfo file = directory.SizeOf(levelZero) is not null ? levelZero : directory.List(level).Find(file => file.MaxTxid == before);
            if (file.MaxTxid != before)
            {
                return null;
            }

            Span<byte> header = stackalloc byte[LtxFormat.HeaderSize];
            using IFile open = directory.OpenFile(file);
            return open.Read(header, 0) == header.Length ? LtxHeader.Parse(header).Commit : null;
        }
        catch (IOException)
        {
            // Without it only the growth inside the merge is checked.
            return null;
        }
    }
}
