using System.Buffers;
using System.Globalization;
using System.Runtime.CompilerServices;
using Litestream.Ltx;

namespace Litestream.Storage;

/// <summary>
/// A replica in a directory: <c>&lt;root&gt;/ltx/&lt;level&gt;/&lt;min&gt;-&lt;max&gt;.ltx</c> (backends §1.2 layout B, §4.1). The header time is the
/// modification time of the file, in milliseconds.
/// </summary>
public sealed partial class FileReplicaClient : IReplicaClient, ILocalReplica
{
    /// <summary>Length of <c>.&lt;writer, 16 digits&gt;&lt;number of the write, 8 digits&gt;.tmp</c>.</summary>
    private const int TempSuffixLength = 29;

    private const int CopyBufferSize = 128 << 10;

    /// <summary>Bytes at the end of an LTX file that hold its two checksums: they identify its content (decision D35).</summary>
    private const int TrailerSize = 16;

    private static readonly TimeSpan StaleAge = TimeSpan.FromDays(1);

    private readonly IFileSystem _files;
    private readonly string _root;
    private readonly string? _databasePath;
    private readonly bool[] _swept = new bool[LtxFileInfo.LevelCount];

    // Two writers must never share a temp file: the one would publish what the other is still writing. The process id is not
    // enough, since containers that share a volume often have the same one. The second half of a random GUID has 62 random bits, from
    // the kernel; RandomNumberGenerator would load OpenSSL for them, 5 MB that a daemon with a directory replica never needs.
    private readonly string _writer = Guid.NewGuid().ToString("N")[16..];
    private uint _writes;

    /// <summary>Creates the client; nothing is touched yet.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="root">Absolute path of the replica's directory; created when something is written.</param>
    /// <param name="databasePath">
    /// Absolute path of the database whose mode and owner new files get, or null. It is only looked at, never opened.
    /// </param>
    public FileReplicaClient(IFileSystem files, string root, string? databasePath = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentException.ThrowIfNullOrEmpty(root);
        _files = files;
        _root = root;
        _databasePath = databasePath;
    }

    /// <inheritdoc/>
    public string Type => "file";

    /// <summary>Absolute path of the replica's directory.</summary>
    public string Root => _root;

    /// <inheritdoc/>
    public ValueTask InitializeAsync(CancellationToken cancellationToken) =>
        _files.Stat(_root) is { Kind: not FileKind.Directory }
            ? throw new ReplicaException($"replica path {_root} exists and is not a directory", isTransient: false)
            : ValueTask.CompletedTask;

    /// <inheritdoc/>
    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<LtxFileInfo> found = [];
        string directory = GetLevelDirectory(level);
        foreach (DirectoryEntry entry in _files.List(directory))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (entry.Kind != FileKind.Regular || !LtxFileName.TryParse(entry.Name, out Txid min, out Txid max) || min < seek)
            {
                continue;
            }

            // A file that vanished since the directory was read was merged or expired: as if listed a moment later.
            if (_files.Stat(Path.Combine(directory, entry.Name)) is { Kind: FileKind.Regular } status)
            {
                found.Add(new LtxFileInfo(level, min, max, status.Size, status.ModifiedAt));
            }
        }

        found.Sort(static (a, b) => a.MinTxid != b.MinTxid ? a.MinTxid.CompareTo(b.MinTxid) : a.MaxTxid.CompareTo(b.MaxTxid));
        foreach (LtxFileInfo info in found)
        {
            yield return info;
        }

        await ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask<Stream> OpenAsync(
        int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        cancellationToken.ThrowIfCancellationRequested();
        string path = FilePath(level, minTxid, maxTxid);
        long end = size == 0 || size > long.MaxValue - offset ? long.MaxValue : offset + size;
        try
        {
            return new ValueTask<Stream>(new FileRangeStream(_files.OpenRead(path), offset, end));
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new LtxFileNotFoundException(level, minTxid, maxTxid, path, missing);
        }
        catch (IOException failure)
        {
            throw new ReplicaException(
                $"open ltx file {path} (level {level}, TXID {minTxid} to {maxTxid}): {failure.Message}; check the permissions and the disk",
                innerException: failure);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        string path = FilePath(level, minTxid, maxTxid);
        LtxUploadHead head = await LtxUploadHead.ReadAsync(source, path, cancellationToken);
        string temp = $"{path}.{_writer}{Interlocked.Increment(ref _writes):x8}.tmp";
        try
        {
            long size = await WriteTempAsync(temp, head, source, cancellationToken);
            SweepStaleTemps(level);
            Publish(temp, path, size, mode);

            // Without it a power cut can undo the rename after the position was reported as replicated (trap T23).
            _files.SyncDirectory(GetLevelDirectory(level));
            return new LtxFileInfo(level, minTxid, maxTxid, size, head.CreatedAt);
        }
        catch
        {
            TryDelete(temp);
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(files);
        foreach (LtxFileInfo file in files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _files.Delete(FilePath(file.Level, file.MinTxid, file.MaxTxid));
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask DeleteAllAsync(CancellationToken cancellationToken)
    {
        _files.DeleteTree(_root);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Absolute path of one file of the replica.</summary>
    public string FilePath(int level, Txid minTxid, Txid maxTxid) =>
        Path.Combine(GetLevelDirectory(level), LtxFileName.Format(minTxid, maxTxid));

    /// <inheritdoc/>
    public string GetLevelDirectory(int level)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(level);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, LtxFileInfo.SnapshotLevel);
        return Path.Combine(_root, "ltx", level.ToString(CultureInfo.InvariantCulture));
    }

    private async ValueTask<long> WriteTempAsync(
        string temp, LtxUploadHead head, Stream source, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(CopyBufferSize);
        try
        {
            using IFile file = CreateTemp(temp);
            file.Write(head.Bytes.Span, 0);
            long size = head.Bytes.Length;
            int count;
            while ((count = await source.ReadAsync(buffer, cancellationToken)) > 0)
            {
                file.Write(buffer.AsSpan(0, count), size);
                size += count;
            }

            // The time goes in before the sync and the rename, so that no crash leaves a file with the wrong time (store-and-restore §10).
            _files.SetTimes(temp, head.CreatedAt);
            file.Sync();
            return size;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private IFile CreateTemp(string temp)
    {
        FileOwnership? owner = _databasePath is null ? null : _files.Stat(_databasePath)?.Ownership;
        try
        {
            return _files.Create(temp, owner);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            string? databaseDirectory = Path.GetDirectoryName(_databasePath);
            FileOwnership? directoryOwner = databaseDirectory is null ? null : _files.Stat(databaseDirectory)?.Ownership;
            _files.CreateDirectory(Path.GetDirectoryName(temp)!, directoryOwner);
            return _files.Create(temp, owner);
        }
    }

    private void Publish(string temp, string path, long size, WriteMode mode)
    {
        if (mode == WriteMode.Overwrite)
        {
            _files.Rename(temp, path);
            return;
        }

        try
        {
            _files.Link(temp, path);
        }
        catch (FileExistsException)
        {
            RequireSameContent(temp, path, size);
        }
        catch (NotSupportedException)
        {
            // No hard links here (FAT, some network mounts): look and rename. Two writers in the same instant are then found by
            // the audit listing only.
            if (_files.Stat(path) is null)
            {
                _files.Rename(temp, path);
                return;
            }

            RequireSameContent(temp, path, size);
        }

        _files.Delete(temp);
    }

    /// <summary>Equal size and checksums: our own earlier attempt, whose answer was lost. Anything else is a second writer (D35).</summary>
    private void RequireSameContent(string temp, string path, long size)
    {
        Span<byte> ours = stackalloc byte[TrailerSize];
        Span<byte> theirs = stackalloc byte[TrailerSize];
        using IFile written = _files.OpenRead(temp);
        using IFile existing = _files.OpenRead(path);
        if (existing.Length != size
            || written.Read(ours, size - TrailerSize) != TrailerSize
            || existing.Read(theirs, size - TrailerSize) != TrailerSize
            || !ours.SequenceEqual(theirs))
        {
            throw new ReplicaConflictException(path);
        }
    }

    /// <summary>
    /// Removes what writers of this kind left behind when they were killed, once per level and process. A file of the last day may
    /// still be in the making.
    /// </summary>
    private void SweepStaleTemps(int level)
    {
        if (_swept[level])
        {
            return;
        }

        _swept[level] = true;
        string directory = GetLevelDirectory(level);
        DateTimeOffset now = _files.Stat(directory)?.ModifiedAt ?? DateTimeOffset.MinValue; // The clock of the file system.
        foreach (DirectoryEntry entry in _files.List(directory))
        {
            string path = Path.Combine(directory, entry.Name);
            if (IsTempName(entry.Name) && _files.Stat(path) is { Kind: FileKind.Regular } status && now - status.ModifiedAt > StaleAge)
            {
                TryDelete(path);
            }
        }
    }

    private bool IsTempName(string name) =>
        name.Length > TempSuffixLength
        && name.EndsWith(".tmp", StringComparison.Ordinal)
        && LtxFileName.TryParse(name.AsSpan(0, name.Length - TempSuffixLength), out _, out _)
        && !name.Contains(_writer, StringComparison.Ordinal);

    private void TryDelete(string path)
    {
        try
        {
            _files.Delete(path);
        }
        catch (IOException)
        {
            // The first failure is the one to report; listings ignore the leftover.
        }
    }
}
