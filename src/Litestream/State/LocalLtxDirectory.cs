using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.State;

/// <summary>
/// Level 0 of the state directory: <c>&lt;state&gt;/ltx/0/&lt;n&gt;-&lt;n&gt;.ltx</c>. There is no position file: the newest name, once its
/// file has been verified whole, is the position (replication §3, §4).
/// </summary>
internal sealed class LocalLtxDirectory(IFileSystem fileSystem, string stateDirectory)
{
    private const string TemporarySuffix = ".tmp";

    /// <summary><c>&lt;state&gt;/ltx</c>: what a reset removes.</summary>
    public string Root { get; } = Path.Combine(stateDirectory, "ltx");

    /// <summary><c>&lt;state&gt;/ltx/0</c>.</summary>
    public string LevelZero { get; } = Path.Combine(stateDirectory, "ltx", "0");

    /// <summary>Mode and owner of new files: those of the database file.</summary>
    public FileOwnership? FileOwnership { get; set; }

    /// <summary>Mode and owner of new directories: those of the database's directory.</summary>
    public FileOwnership? DirectoryOwnership { get; set; }

    /// <summary>Path of the file of one transaction.</summary>
    public string PathOf(Txid txid) => Path.Combine(LevelZero, LtxFileName.Format(txid, txid));

    /// <summary>Creates the directories that are missing.</summary>
    public void Create() => fileSystem.CreateDirectory(LevelZero, DirectoryOwnership);

    /// <summary>Removes what a crash left half-written (replication §2). Names that are not ours are not touched.</summary>
    public void DeleteTemporaryFiles() => DeleteTemporaryFiles(stateDirectory);

    /// <summary>Level-0 files by name, ascending by (min, max).</summary>
    public List<LtxFileInfo> List()
    {
        var files = new List<LtxFileInfo>();
        foreach (DirectoryEntry entry in fileSystem.List(LevelZero))
        {
            if (entry.Kind == FileKind.Regular
                && LtxFileName.TryParse(entry.Name, out Txid min, out Txid max)
                && fileSystem.Stat(Path.Combine(LevelZero, entry.Name)) is { } status)
            {
                files.Add(new LtxFileInfo(0, min, max, status.Size, status.ModifiedAt));
            }
        }

        files.Sort(static (a, b) => (a.MinTxid, a.MaxTxid).CompareTo((b.MinTxid, b.MaxTxid)));
        return files;
    }

    /// <summary>The greatest max TXID among the names; 0 if there is none.</summary>
    public Txid NewestTxid()
    {
        Txid newest = Txid.None;
        foreach (DirectoryEntry entry in fileSystem.List(LevelZero))
        {
            if (entry.Kind == FileKind.Regular && LtxFileName.TryParse(entry.Name, out _, out Txid max) && max > newest)
            {
                newest = max;
            }
        }

        return newest;
    }

    /// <summary>Reads one file whole, every checksum verified, and returns its header.</summary>
    /// <exception cref="LocalLtxException">Missing, damaged or unreadable.</exception>
    public LtxHeader Verify(Txid txid)
    {
        string path = PathOf(txid);
        using Stream stream = Open(txid);
        try
        {
            using var reader = new LtxReader(stream, path, leaveOpen: true);
            LtxHeader header = reader.ReadHeader();
            while (reader.ReadPage())
            {
            }

            reader.Finish();
            if (header.MaxTxid != txid)
            {
                throw new InvalidDataException($"header says transactions {header.MinTxid} to {header.MaxTxid}");
            }

            return header;
        }
        catch (Exception e) when (e is LtxException or InvalidDataException)
        {
            throw new LocalLtxException("verify", path, txid, LocalLtxProblem.Corrupt, e);
        }
    }

    /// <summary>Opens one file for reading from its begin.</summary>
    /// <exception cref="LocalLtxException">Missing or unreadable.</exception>
    public Stream Open(Txid txid)
    {
        string path = PathOf(txid);
        try
        {
            return new SequentialFileStream(fileSystem.OpenRead(path));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new LocalLtxException("open", path, txid, LocalLtxProblem.Missing, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LocalLtxException("open", path, txid, LocalLtxProblem.Transient, e);
        }
    }

    /// <summary>Size in bytes of one file, or null if it is not there.</summary>
    public long? SizeOf(Txid txid) => fileSystem.Stat(PathOf(txid))?.Size;

    /// <summary>
    /// Writes one file: temp, fsync, rename, fsync of the directory. It replaces an older version of the same transaction in one
    /// step. On any failure the temp file is removed and nothing is published (replication §7.7).
    /// </summary>
    /// <param name="txid">Transaction.</param>
    /// <param name="write">Writes the content.</param>
    /// <exception cref="LocalLtxException">A step failed; a full disk has class <see cref="LocalLtxProblem.DiskFull"/>.</exception>
    public void Write(Txid txid, Action<Stream> write)
    {
        string path = PathOf(txid);
        string temporary = path + TemporarySuffix;
        string step = "stage-mkdir";
        try
        {
            if (fileSystem.Stat(LevelZero) is null)
            {
                Create();
            }

            step = "stage-open";
            using (IFile file = fileSystem.Create(temporary, FileOwnership))
            {
                step = "stage-write";
                using (var stream = new SequentialFileStream(file, ownsFile: false))
                {
                    write(stream);
                }

                step = "stage-sync";
                file.Sync();
                step = "stage-close";
            }

            step = "stage-rename";
            fileSystem.Rename(temporary, path);

            // Without it a power cut can bring the old name back, and the next start would use a TXID again that is already in the
            // store (trap A31).
            step = "stage-sync-directory";
            fileSystem.SyncDirectory(LevelZero);
        }
        catch (Exception e)
        {
            fileSystem.TryDelete(temporary);
            if (e is (IOException or UnauthorizedAccessException) and not (LtxException or LocalLtxException))
            {
                throw new LocalLtxException(step, temporary, txid, e is DiskFullException ? LocalLtxProblem.DiskFull : LocalLtxProblem.Transient, e);
            }

            throw;
        }
    }

    /// <summary>Removes one file; a missing one is fine.</summary>
    public void Delete(in LtxFileInfo file) => fileSystem.Delete(Path.Combine(LevelZero, file.Name));

    /// <summary>Removes all local LTX files; database and replica stay as they are (replication §11).</summary>
    public void Reset() => fileSystem.DeleteTree(Root);

    private void DeleteTemporaryFiles(string directory)
    {
        foreach (DirectoryEntry entry in fileSystem.List(directory))
        {
            string path = Path.Combine(directory, entry.Name);
            if (entry.Kind == FileKind.Directory)
            {
                DeleteTemporaryFiles(path);
            }
            else if (entry.Kind == FileKind.Regular && entry.Name.EndsWith(TemporarySuffix, StringComparison.Ordinal))
            {
                fileSystem.Delete(path);
            }
        }
    }
}
