using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;

namespace Litestream.Levels;

/// <summary>
/// One merge of any number of files with bounded memory and descriptors. What does not fit at once is merged in steps through temp
/// files of the state directory. The result is the same as that of one merge of all files: of each page the last file that has it
/// wins, also across a shrinking and growing again (ltx-format §13).
/// </summary>
/// <remarks>Prepare, write once, dispose. Not thread-safe.</remarks>
internal sealed class LevelMerge : IAsyncDisposable
{
    /// <summary>Memory in bytes for all inputs that are open at the same time.</summary>
    internal const long MemoryBudget = 16 << 20;

    /// <summary>
    /// Files of the replica that are open at the same time. Local ones are open only while a read runs. Each holds a connection to the store, and
    /// all merges that can run at once must fit into the connections of a process, or they would wait for one another.
    /// </summary>
    internal const int MostRemoteInputs = 8;

    private readonly LocalLtxDirectory directory;
    private readonly int level;
    private readonly uint? commitBefore;
    private readonly uint[] commits;
    private List<MergeInput> inputs;
    private List<LtxReader> readers = [];
    private LtxHeader first;
    private LtxHeader last;

    /// <summary>Creates the merge; nothing is opened yet.</summary>
    /// <param name="sources">Contiguous files, each with a greater last transaction than the one before it.</param>
    /// <param name="level">Level of the result.</param>
    /// <param name="commitBefore">Pages of the database before the first source, if known.</param>
    /// <param name="directory">Where temp files go.</param>
    public LevelMerge(IEnumerable<MergeInput> sources, int level, uint? commitBefore, LocalLtxDirectory directory)
    {
        inputs = [.. sources];
        commits = new uint[inputs.Count];
        this.level = level;
        this.commitBefore = commitBefore;
        this.directory = directory;
    }

    /// <summary>Most bytes that the result can have: pages are copied as they are, only the index of pages is written anew.</summary>
    public long MaxLength { get; private set; }

    /// <summary>Merges in steps until the rest fits at once, and opens that.</summary>
    /// <exception cref="LtxException">A source is damaged, is not the file that its name says, or does not fit the others.</exception>
    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        for (bool copyLarge = false; CountThatFits(inputs, 0, copyLarge: true) < inputs.Count;)
        {
            int before = inputs.Count;
            await ReduceAsync(copyLarge, cancellationToken).ConfigureAwait(false);
            copyLarge |= inputs.Count == before;
        }

        MaxLength = inputs.Sum(input => input.Size);
        readers = await OpenAsync(inputs, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes the result. Every source has been verified to its end before the trailer is written.</summary>
    /// <param name="output">Takes the file; when this fails it must be discarded.</param>
    /// <param name="cancellationToken">Stops the merge.</param>
    /// <exception cref="LtxException">A source is damaged, or the result would miss pages (trap C21).</exception>
    public async Task WriteAsync(Stream output, CancellationToken cancellationToken)
    {
        uint smallestEarlier = commits.Length == 1 ? uint.MaxValue : commits[..^1].Min();
        var options = new LtxMergeOptions
        {
            AllowGaps = true, // Contiguity was checked on the sources; the results of steps do not say where they begin.
            Header = LtxMerger.ResultHeader(first, last),
            CompleteAbove = Math.Min(smallestEarlier, commitBefore ?? uint.MaxValue),
        };
        await LtxMerger.MergeAsync(readers, output, options, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await CloseAsync(readers).ConfigureAwait(false);
        foreach (MergeInput input in inputs)
        {
            input.Dispose();
        }
    }

    /// <summary>How many inputs from a position on can be open together; at least two, if there are two.</summary>
    private static int CountThatFits(List<MergeInput> inputs, int from, bool copyLarge)
    {
        long cost = 0;
        int remote = 0;
        int end = from;
        while (end < inputs.Count && (copyLarge || inputs[end].Size <= MergeInput.LargeSize))
        {
            cost += inputs[end].Cost;
            remote += inputs[end].IsRemote ? 1 : 0;
            if (end - from >= 2 && (cost > MemoryBudget || remote > MostRemoteInputs))
            {
                break;
            }

            end++;
        }

        return end - from;
    }

    /// <summary>One round: each run of neighbours that fits becomes one file.</summary>
    private async Task ReduceAsync(bool copyLarge, CancellationToken cancellationToken)
    {
        for (int at = 0; at < inputs.Count; at++)
        {
            int count = CountThatFits(inputs, at, copyLarge);
            if (count < 2)
            {
                continue;
            }

            List<MergeInput> run = inputs.GetRange(at, count);
            MergeInput step = await MergeStepAsync(run, cancellationToken).ConfigureAwait(false);
            inputs.RemoveRange(at, count);
            inputs.Insert(at, step);
            foreach (MergeInput input in run)
            {
                input.Dispose();
            }
        }
    }

    private async Task<MergeInput> MergeStepAsync(List<MergeInput> run, CancellationToken cancellationToken)
    {
        List<LtxReader> open = await OpenAsync(run, cancellationToken).ConfigureAwait(false);
        StagedLtxFile? staged = null;
        try
        {
            // The largest size, so that nothing is cut away that a later file may still need. Not a file from transaction 1 on: those
            // have to be complete, which only the whole is.
            LtxHeader header = LtxMerger.ResultHeader(open[0].Header, open[^1].Header) with
            {
                MinTxid = open[^1].Header.MaxTxid,
                Commit = open.Max(reader => reader.Header.Commit),
            };
            staged = directory.Stage(level, open[0].Header.MinTxid, open[^1].Header.MaxTxid);
            var options = new LtxMergeOptions { AllowGaps = true, Header = header, CompleteAbove = uint.MaxValue };
            await LtxMerger.MergeAsync(open, staged.Content, options, cancellationToken).ConfigureAwait(false);
            staged.Seal(sync: false);
            return MergeInput.Step(staged);
        }
        catch
        {
            staged?.Dispose();
            throw;
        }
        finally
        {
            await CloseAsync(open).ConfigureAwait(false);
        }
    }

    private async Task<List<LtxReader>> OpenAsync(List<MergeInput> run, CancellationToken cancellationToken)
    {
        var open = new List<LtxReader>(run.Count);
        try
        {
            foreach (MergeInput input in run)
            {
                open.Add(input.Open());
                LtxHeader header = await open[^1].ReadHeaderAsync(cancellationToken).ConfigureAwait(false);
                if (input.Source is { } source)
                {
                    Remember(input, source, header);
                }
            }

            return open;
        }
        catch
        {
            await CloseAsync(open).ConfigureAwait(false);
            throw;
        }
    }

    private void Remember(MergeInput input, in LtxFileInfo source, in LtxHeader header)
    {
        if (header.MinTxid != source.MinTxid || header.MaxTxid != source.MaxTxid)
        {
            throw new LtxException(
                LtxErrorKind.HeaderInvalid, $"its header says transactions {header.MinTxid} to {header.MaxTxid}, its name {source.MinTxid} to {source.MaxTxid}", input.Name);
        }

        commits[input.Number] = header.Commit;
        first = input.Number == 0 ? header : first;
        last = input.Number == commits.Length - 1 ? header : last;
    }

    private static async ValueTask CloseAsync(List<LtxReader> open)
    {
        foreach (LtxReader reader in open)
        {
            await reader.DisposeAsync().ConfigureAwait(false);
        }

        open.Clear();
    }
}
