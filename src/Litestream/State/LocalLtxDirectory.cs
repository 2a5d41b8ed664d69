using System.Buffers;
using System.Globalization;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.State;

/// <summary>
/// The LTX files of the state directory: <c>&lt;state&gt;/ltx/&lt;level&gt;/&lt;min&gt;-&lt;max&gt;.ltx</c>. There is no position file: the newest name
/// of level 0, once its file has been verified whole, is the position (replication §3, §4). Levels 1 to 9 are copies of what is on the
/// replica, so that merging needs no download (decision D6).
/// </summary>
internal sealed class LocalLtxDirectory(IFileSystem fileSystem, string stateDirectory)
{
    private const int VerifyBufferBytes = 128 * 1024;

    private readonly WrittenChecksums written = new();

    /// <summary><c>&lt;state&gt;/ltx</c>: what a reset removes.</summary>
    public string Root { get; } = Path.Combine(stateDirectory, "ltx");

    /// <summary><c>&lt;state&gt;/ltx/0</c>.</summary>
    public string LevelZero { get; } = Path.Combine(stateDirectory, "ltx", "0");

    /// <summary>Mode and owner of new files: those of the database file.</summary>
    public FileOwnership? FileOwnership { get; set; }

    /// <summary>Mode and owner of new directories: those of the database's directory.</summary>
    public FileOwnership? DirectoryOwnership { get; set; }

    /// <summary>Directory of a level, 0 to 9.</summary>
    public string DirectoryOf(int level) =>
        level == 0 ? LevelZero : Path.Combine(Root, level.ToString(CultureInfo.InvariantCulture));

    /// <summary>Path of a file of any level.</summary>
    public string PathOf(int level, Txid min, Txid max) => Path.Combine(DirectoryOf(level), LtxFileName.Format(min, max));

    /// <inheritdoc cref="PathOf(int, Txid, Txid)"/>
    public string PathOf(in LtxFileInfo file) => PathOf(file.Level, file.MinTxid, file.MaxTxid);

    /// <summary>Path of the level-0 file of one transaction.</summary>
    public string PathOf(Txid txid) => Path.Combine(LevelZero, LtxFileName.Format(txid, txid));

    /// <summary>Creates the directories that are missing.</summary>
    public void Create() => fileSystem.CreateDirectory(LevelZero, DirectoryOwnership);

    /// <summary>Removes what a crash left half-written (replication §2). Names that are not ours are not touched.</summary>
    public void DeleteTemporaryFiles() => DeleteTemporaryFiles(stateDirectory);

    /// <summary>Files of a level by name, ascending by (min, max); none if the level was never written. Their time is that of the local file.</summary>
    public List<LtxFileInfo> List(int level = 0)
    {
        var files = new List<LtxFileInfo>();
        string directory = DirectoryOf(level);
        foreach (DirectoryEntry entry in fileSystem.List(directory))
        {
            if (entry.Kind == FileKind.Regular
                && LtxFileName.TryParse(entry.Name, out Txid min, out Txid max)
                && fileSystem.Stat(Path.Combine(directory, entry.Name)) is { } status)
            {
                files.Add(new LtxFileInfo(level, min, max, status.Size, status.ModifiedAt));
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

    /// <summary>Reads the level-0 file of one transaction whole, every checksum verified, and returns its header.</summary>
    /// <exception cref="LocalLtxException">Missing, damaged or unreadable.</exception>
    public LtxHeader Verify(Txid txid) => Verify(new LtxFileInfo(0, txid, txid, 0, default));

    /// <summary>Reads a file of any level whole, every checksum verified, and returns its header.</summary>
    /// <exception cref="LocalLtxException">Missing, damaged or unreadable.</exception>
    public LtxHeader Verify(in LtxFileInfo file)
    {
        string path = PathOf(file);
        using Stream stream = Open(file);
        try
        {
            using var reader = new LtxReader(stream, path, leaveOpen: true);
            LtxHeader header = reader.ReadHeader();
            while (reader.ReadPage())
            {
            }

            reader.Finish();
            if (header.MinTxid != file.MinTxid || header.MaxTxid != file.MaxTxid)
            {
                throw new InvalidDataException($"header says transactions {header.MinTxid} to {header.MaxTxid}");
            }

            return header;
        }
        catch (Exception e) when (e is LtxException or InvalidDataException)
        {
            throw new LocalLtxException("verify", path, file.MaxTxid, LocalLtxProblem.Corrupt, e);
        }
    }

    /// <summary>
    /// Verifies a file before it is uploaded. Of a file that this process wrote the checksum of its bytes is known: one pass over them
    /// finds every damage without decompressing a page. That knowledge serves once; a second look verifies everything.
    /// </summary>
    /// <exception cref="LocalLtxException">Missing, damaged or unreadable.</exception>
    public LtxHeader VerifyForUpload(Txid txid)
    {
        if (written.Take(txid) is not { } expected)
        {
            return Verify(txid);
        }

        string path = PathOf(txid);
        using Stream stream = Open(txid);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(VerifyBufferBytes);
        try
        {
            int read = stream.ReadAtLeast(buffer, LtxFormat.HeaderSize, throwOnEndOfStream: false);
            LtxHeader header = LtxHeader.Parse(buffer.AsSpan(0, Math.Min(read, LtxFormat.HeaderSize)), path);
            ulong found = 0;
            for (; read > 0; read = stream.Read(buffer))
            {
                found = Crc64.Append(found, buffer.AsSpan(0, read));
            }

            return found == expected
                ? header
                : throw new InvalidDataException($"its bytes have checksum {found:x16}, but {expected:x16} was written: the disk or another program changed it");
        }
        catch (Exception e) when (e is LtxException or InvalidDataException)
        {
            throw new LocalLtxException("verify", path, txid, LocalLtxProblem.Corrupt, e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Opens the level-0 file of one transaction for reading from its begin.</summary>
    /// <exception cref="LocalLtxException">Missing or unreadable.</exception>
    public Stream Open(Txid txid) => new SequentialFileStream(OpenFile(PathOf(txid), txid));

    /// <summary>Opens a file of any level for reading from its begin.</summary>
    /// <exception cref="LocalLtxException">Missing or unreadable.</exception>
    public Stream Open(in LtxFileInfo file) => new SequentialFileStream(OpenFile(file));

    /// <summary>Opens a file of any level; the caller reads at offsets.</summary>
    /// <exception cref="LocalLtxException">Missing or unreadable.</exception>
    public IFile OpenFile(in LtxFileInfo file) => OpenFile(PathOf(file), file.MaxTxid);

    /// <summary>Size in bytes of the level-0 file of one transaction, or null if it is not there.</summary>
    public long? SizeOf(Txid txid) => fileSystem.Stat(PathOf(txid))?.Size;

    /// <summary>Size in bytes of a file of any level, or null if it is not there.</summary>
    public long? SizeOf(in LtxFileInfo file) => fileSystem.Stat(PathOf(file))?.Size;

    /// <summary>
    /// Writes one level-0 file: temp, fsync, rename, fsync of the directory. It replaces an older version of the same transaction in one
    /// step. On any failure the temp file is removed and nothing is published (replication §7.7).
    /// </summary>
    /// <param name="txid">Transaction.</param>
    /// <param name="write">Writes the content.</param>
    /// <exception cref="LocalLtxException">A step failed; a full disk has class <see cref="LocalLtxProblem.DiskFull"/>.</exception>
    public void Write(Txid txid, Action<Stream> write)
    {
        using StagedLtxFile staged = Stage(0, txid, txid);
        write(staged.Content);
        staged.Seal();
        staged.Publish();
        written.Add(txid, staged.Checksum);
    }

    /// <summary>As <see cref="Write"/>, for content that arrives from a store.</summary>
    public async Task WriteAsync(Txid txid, Func<Stream, Task> write)
    {
        using StagedLtxFile staged = Stage(0, txid, txid);
        await write(staged.Content).ConfigureAwait(false);
        staged.Seal();
        staged.Publish();
        written.Add(txid, staged.Checksum);
    }

    /// <summary>Starts a file of any level; nothing is visible until it is published.</summary>
    /// <exception cref="LocalLtxException">The temp file cannot be created.</exception>
    public StagedLtxFile Stage(int level, Txid min, Txid max)
    {
        string path = PathOf(level, min, max);
        try
        {
            string directory = DirectoryOf(level);
            if (fileSystem.Stat(directory) is null)
            {
                fileSystem.CreateDirectory(directory, DirectoryOwnership);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LocalLtxException(
                "stage-mkdir", path + StagedLtxFile.TemporarySuffix, max, e is DiskFullException ? LocalLtxProblem.DiskFull : LocalLtxProblem.Transient, e);
        }

        return StagedLtxFile.Create(fileSystem, path, max, FileOwnership);
    }

    /// <summary>Removes one file of any level; a missing one is fine.</summary>
    public void Delete(in LtxFileInfo file) => fileSystem.Delete(PathOf(file));

    /// <summary>Removes all local LTX files; database and replica stay as they are (replication §11).</summary>
    public void Reset()
    {
        written.Clear();
        fileSystem.DeleteTree(Root);
    }

    private IFile OpenFile(string path, Txid txid)
    {
        try
        {
            return fileSystem.OpenRead(path);
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

    private void DeleteTemporaryFiles(string directory)
    {
        foreach (DirectoryEntry entry in fileSystem.List(directory))
        {
            string path = Path.Combine(directory, entry.Name);
            if (entry.Kind == FileKind.Directory)
            {
                DeleteTemporaryFiles(path);
            }
            else if (entry.Kind == FileKind.Regular && entry.Name.EndsWith(StagedLtxFile.TemporarySuffix, StringComparison.Ordinal))
            {
                fileSystem.Delete(path);
            }
        }
    }
}
