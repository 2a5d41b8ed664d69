using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.State;

/// <summary>
/// A local LTX file in the making: temp file, fsync, rename, fsync of the directory. Disposing one that was not published removes it, so
/// that no failure leaves anything behind or visible (replication §7.7, store-and-restore trap C23).
/// </summary>
internal sealed class StagedLtxFile : IDisposable
{
    internal const string TemporarySuffix = ".tmp";

    private readonly IFileSystem fileSystem;
    private readonly string path;
    private readonly Txid txid;
    private IFile? file;
    private SequentialFileStream? content;
    private bool published;

    private StagedLtxFile(IFileSystem fileSystem, string path, Txid txid)
    {
        this.fileSystem = fileSystem;
        this.path = path;
        this.txid = txid;
        TemporaryPath = path + TemporarySuffix;
    }

    /// <summary>Where the content is until it is published.</summary>
    public string TemporaryPath { get; }

    /// <summary>Takes the content. Errors of its writes are <see cref="LocalLtxException"/>.</summary>
    public Stream Content => content!;

    /// <summary>CRC-64 of the bytes of the content.</summary>
    public ulong Checksum => content!.WrittenChecksum;

    /// <summary>Bytes of the content, once sealed.</summary>
    public long Size { get; private set; }

    /// <summary>Creates the temp file, replacing one that a crash left.</summary>
    /// <param name="fileSystem">Holds the file.</param>
    /// <param name="path">Final path; its directory must exist.</param>
    /// <param name="txid">Last transaction, for messages.</param>
    /// <param name="owner">Mode and owner.</param>
    /// <exception cref="LocalLtxException">It cannot be created.</exception>
    public static StagedLtxFile Create(IFileSystem fileSystem, string path, Txid txid, FileOwnership? owner)
    {
        var staged = new StagedLtxFile(fileSystem, path, txid);
        staged.Run("stage-open", () => staged.file = fileSystem.Create(staged.TemporaryPath, owner));
        staged.content = new SequentialFileStream(staged.file!, ownsFile: false, e => staged.Failure("stage-write", e));
        return staged;
    }

    /// <summary>Ends the writing and closes the file.</summary>
    /// <param name="sync">Whether the content has to survive a power cut.</param>
    public void Seal(bool sync = true)
    {
        Size = file!.Length;
        if (sync)
        {
            Run("stage-sync", file.Sync);
        }

        Run("stage-close", Close);
    }

    /// <summary>Opens the sealed file for reading, before or after it was published.</summary>
    public IFile OpenRead() => fileSystem.OpenRead(published ? path : TemporaryPath);

    /// <summary>Gives the sealed file its name, in one step, also over an older version of it.</summary>
    public void Publish()
    {
        Run("stage-rename", () => fileSystem.Rename(TemporaryPath, path));
        published = true;

        // Without it a power cut can bring the old name back, and the next start would use a TXID again that is already in the
        // store (replication trap A31).
        Run("stage-sync-directory", () => fileSystem.SyncDirectory(Path.GetDirectoryName(path)!));
    }

    /// <summary>Removes the temp file unless it was published.</summary>
    public void Dispose()
    {
        try
        {
            Close();
        }
        catch (IOException)
        {
            // What is thrown away need not be closed well.
        }

        if (!published)
        {
            fileSystem.TryDelete(TemporaryPath);
        }
    }

    private void Close()
    {
        IFile? open = file;
        file = null;
        open?.Dispose();
    }

    private void Run(string step, Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failure(step, e);
        }
    }

    private Exception Failure(string step, Exception e) => e is IOException or UnauthorizedAccessException
        ? new LocalLtxException(step, TemporaryPath, txid, e is DiskFullException ? LocalLtxProblem.DiskFull : LocalLtxProblem.Transient, e)
        : e;
}
