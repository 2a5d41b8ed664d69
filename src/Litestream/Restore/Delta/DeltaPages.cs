using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Restore.Delta;

/// <summary>What a delta restore knows before anything is fetched: handed to <see cref="LtxDatabaseBuilder"/>.</summary>
/// <param name="source">The older copy.</param>
/// <param name="changed">Pages that differ, or may.</param>
/// <param name="loaded">Files whose indexes are read already, newest first, before those of the plan.</param>
internal sealed class DeltaPages(DeltaBase source, ChangedPages changed, Queue<PlannedFile> loaded) : IDisposable
{
    private readonly HashSet<LtxFileInfo> _loaded = [.. loaded.Select(file => file.Info)];
    private long _fetched;
    private long _unverified;
    private long _bytes;

    /// <summary>Files whose indexes are read already, newest first.</summary>
    internal Queue<PlannedFile> Loaded { get; } = loaded;

    /// <summary>Whether a file was among those whose indexes were read.</summary>
    internal bool WasLoaded(LtxFileInfo file) => _loaded.Contains(file);

    /// <summary>Pages that are in place.</summary>
    internal PageBitmap Claimed { get; } = new();

    /// <summary>The newest state's file header.</summary>
    internal LtxHeader Newest { get; } = loaded.Peek().Header;

    /// <summary>Copies what can be taken over.</summary>
    internal void Copy(IFile output, CancellationToken cancellationToken)
    {
        source.CopyTo(output, changed, Claimed, Newest.Commit, cancellationToken);
        PagesCopied = Claimed.Count;
    }

    /// <summary>Pages that were taken over.</summary>
    internal long PagesCopied { get; private set; }

    /// <summary>True when every page is in place or has a file that it comes from.</summary>
    internal bool IsComplete => Claimed.Count == Newest.Commit - (Newest.Commit >= LtxFormat.LockPage(Newest.PageSize) ? 1 : 0);

    /// <summary>Takes note of a fetched page, and checks it if it did not change.</summary>
    /// <param name="page">Its number.</param>
    /// <param name="digest">CRC of its content.</param>
    /// <param name="isFileVerified">Whether the checksum of its file will be checked.</param>
    /// <param name="file">Name of its file.</param>
    /// <exception cref="LtxException">The content is not what the page held and must still hold.</exception>
    internal void Take(uint page, ulong digest, bool isFileVerified, string file)
    {
        bool unchanged = !changed.Contains(page);
        if (unchanged && !source.Accepts(page, digest))
        {
            throw new LtxException(LtxErrorKind.PageData, "the page did not change, but differs from the digest of the local copy", file, page);
        }

        Interlocked.Increment(ref _fetched);
        Interlocked.Add(ref _unverified, isFileVerified || unchanged ? 0 : 1);
    }

    /// <summary>Counts bytes read from the replica.</summary>
    internal void AddBytes(long count) => Interlocked.Add(ref _bytes, count);

    /// <summary>The figures.</summary>
    internal DeltaReport Report() => new(source.Digests.Txid, PagesCopied, _fetched, source.Damaged, _unverified, _bytes);

    /// <inheritdoc/>
    public void Dispose()
    {
        while (Loaded.TryDequeue(out PlannedFile? file))
        {
            file.Dispose();
        }
    }
}
