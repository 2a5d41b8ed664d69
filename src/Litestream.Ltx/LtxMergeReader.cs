namespace Litestream.Ltx;

/// <summary>
/// The pages of several files as one: ascending page numbers, and of each page the image that the last file has
/// (ltx-format §13). Memory: the buffers of the inputs.
/// </summary>
/// <remarks>
/// Open, read pages until false, then finish; only after that are all inputs known to be good. After an exception the reader is
/// unusable. Does not own the inputs. Not thread-safe.
/// </remarks>
public sealed class LtxMergeReader
{
    private readonly LtxReader[] inputs;
    private readonly bool allowGaps;
    private readonly uint? commit;

    // Lowest page first, and of equal pages the last input.
    private readonly PriorityQueue<int, ulong> queue = new();
    private readonly List<int> holders = [];
    private LtxReader? current;

    /// <summary>Creates a merge; nothing is read yet.</summary>
    /// <param name="inputs">The files in the order of their transactions, no page read yet. Not sorted here.</param>
    /// <param name="allowGaps">Accept missing transactions between files: for rebuilding what can be rebuilt.</param>
    /// <param name="commit">Pages above this number are left out; null = the commit size of the last input.</param>
    /// <exception cref="ArgumentException">There are no inputs.</exception>
    public LtxMergeReader(IReadOnlyList<LtxReader> inputs, bool allowGaps = false, uint? commit = null)
    {
        if (inputs.Count == 0)
        {
            throw new ArgumentException("A merge needs at least one file.", nameof(inputs));
        }

        this.inputs = [.. inputs];
        this.allowGaps = allowGaps;
        this.commit = commit;
    }

    /// <summary>Header of the first input, after opening.</summary>
    public LtxHeader First => inputs[0].Header;

    /// <summary>Header of the last input, after opening: its commit size and time are those of the result.</summary>
    public LtxHeader Last => inputs[^1].Header;

    /// <summary>Whether every input carries rolling database checksums.</summary>
    public bool TracksChecksums => inputs.All(input => input.Header.TracksChecksums);

    /// <summary>The smallest size in pages that the database had before the last input; the largest number with a single input.</summary>
    internal uint SmallestEarlierCommit => inputs.Length == 1 ? uint.MaxValue : inputs[..^1].Min(input => input.Header.Commit);

    /// <summary>The input whose current page is the merge's current page.</summary>
    public LtxReader Current => current ?? throw new InvalidOperationException("There is no current page.");

    /// <summary>Reads all headers and checks that the files belong together.</summary>
    /// <exception cref="LtxException">A header is bad, page sizes differ, or a file does not continue the one before it.</exception>
    public async ValueTask OpenAsync(CancellationToken cancellationToken = default)
    {
        for (int i = 0; i < inputs.Length; i++)
        {
            LtxHeader header = inputs[i].IsHeaderRead
                ? inputs[i].Header
                : await inputs[i].ReadHeaderAsync(cancellationToken).ConfigureAwait(false);
            if (i > 0)
            {
                CheckNeighbours(inputs[i - 1], inputs[i], header, allowGaps);
            }
        }

        for (int i = 0; i < inputs.Length; i++)
        {
            holders.Add(i);
        }
    }

    /// <summary>Moves to the next page of the result; pages beyond the size of the result are left out.</summary>
    /// <returns>False when all inputs are at their end marker.</returns>
    /// <exception cref="LtxException">An input is damaged or cut.</exception>
    public async ValueTask<bool> ReadPageAsync(CancellationToken cancellationToken = default)
    {
        uint lastPage = commit ?? Last.Commit;
        do
        {
            current = null;
            foreach (int i in holders)
            {
                if (await inputs[i].ReadPageAsync(cancellationToken).ConfigureAwait(false))
                {
                    queue.Enqueue(i, ((ulong)inputs[i].PageNumber << 32) | (uint)(inputs.Length - i));
                }
            }

            holders.Clear();
            if (!queue.TryDequeue(out int winner, out ulong key))
            {
                return false;
            }

            current = inputs[winner];
            holders.Add(winner);
            while (queue.TryPeek(out int loser, out ulong other) && other >> 32 == key >> 32)
            {
                queue.Dequeue();
                holders.Add(loser);
            }
        }
        while (current.PageNumber > lastPage);
        return true;
    }

    /// <summary>Finishes every input and checks that their database checksums continue each other.</summary>
    /// <returns>The post-apply checksum of the last input; 0 when it has none.</returns>
    /// <exception cref="LtxException">An input is damaged or was not made for the state that its predecessor leaves.</exception>
    public async ValueTask<ulong> FinishAsync(CancellationToken cancellationToken = default)
    {
        ulong previous = 0;
        for (int i = 0; i < inputs.Length; i++)
        {
            LtxHeader header = inputs[i].Header;
            LtxTrailer trailer = await inputs[i].FinishAsync(cancellationToken).ConfigureAwait(false);
            bool adjacent = i > 0 && inputs[i - 1].Header.MaxTxid.Value + 1 == header.MinTxid.Value;
            if (adjacent && header.TracksChecksums && previous != 0 && previous != header.PreApplyChecksum)
            {
                throw new LtxException(LtxErrorKind.ChecksumChain, $"it was made for a database with checksum {header.PreApplyChecksum:x16}, the file before it ({inputs[i - 1].Name}) leaves {previous:x16}", inputs[i].Name);
            }

            previous = trailer.PostApplyChecksum;
        }

        return previous;
    }

    private static void CheckNeighbours(LtxReader left, LtxReader right, in LtxHeader header, bool allowGaps)
    {
        if (left.Header.PageSize != header.PageSize)
        {
            throw new LtxException(LtxErrorKind.PageSizeMismatch, $"its page size is {header.PageSize}, the file before it ({left.Name}) has {left.Header.PageSize}", right.Name);
        }

        Txid previous = left.Header.MaxTxid;
        if (header.MaxTxid <= previous)
        {
            throw new LtxException(LtxErrorKind.NotContiguous, $"transactions {header.MinTxid}-{header.MaxTxid} add nothing after {previous}", right.Name);
        }

        // The maximum is greater than the one before it, so previous + 1 cannot wrap.
        if (!allowGaps && header.MinTxid > previous.Next)
        {
            throw new LtxException(LtxErrorKind.NotContiguous, $"transactions {previous.Next} to {new Txid(header.MinTxid.Value - 1)} are missing before it", right.Name);
        }
    }
}
