using Litestream.Ltx;
using Litestream.Restore;
using Litestream.State;
using Litestream.Storage;

namespace Litestream.Follow;

/// <summary>
/// A file of the replica that was fetched as a whole and verified to its end before anything of it reaches the database (F3). Small
/// ones stay in memory, a large one lies beside the database meanwhile.
/// </summary>
internal sealed class IncomingFile : IDisposable
{
    /// <summary>Largest file that is held in memory, in bytes.</summary>
    internal const int MemoryLimit = 8 << 20;

    private const int ChunkSize = 1 << 20;

    private readonly IFileSystem _files;
    private readonly byte[]? _content;
    private readonly string? _spoolPath;

    private IncomingFile(IFileSystem files, LtxFileInfo info, byte[]? content, string? spoolPath)
    {
        _files = files;
        Info = info;
        _content = content;
        _spoolPath = spoolPath;
    }

    /// <summary>The file as listed.</summary>
    internal LtxFileInfo Info { get; }

    /// <summary>Its header.</summary>
    internal LtxHeader Header { get; private set; }

    /// <summary>Bytes of its pages, uncompressed.</summary>
    internal long PageBytes { get; private set; }

    /// <summary>Fetches and verifies one file.</summary>
    /// <param name="client">The replica.</param>
    /// <param name="info">The file as listed.</param>
    /// <param name="files">Where a large file is put.</param>
    /// <param name="spoolPath">Path of a large file; one at a time.</param>
    /// <param name="time">Clock of retry waits.</param>
    /// <param name="cancellationToken">Stops; nothing is left.</param>
    /// <exception cref="LtxFileException">The file is damaged, or another one has its name.</exception>
    /// <exception cref="LtxFileNotFoundException">The file is gone.</exception>
    internal static async Task<IncomingFile> FetchAsync(
        IReplicaClient client, LtxFileInfo info, IFileSystem files, string spoolPath, TimeProvider time, CancellationToken cancellationToken)
    {
        ResumableReader reader = ResumableReader.ForReplica(client, info, time);
        bool small = info.Size <= MemoryLimit;
        var file = new IncomingFile(files, info, small ? new byte[info.Size] : null, small ? null : spoolPath);
        try
        {
            if (file._content is not null)
            {
                await reader.ReadAsync(0, file._content, cancellationToken);
            }
            else
            {
                await SpoolAsync(reader, files, spoolPath, cancellationToken);
            }

            await file.VerifyAsync(cancellationToken);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>A reader of the verified bytes.</summary>
    internal LtxReader OpenReader() => new(OpenStream(), Info.Name);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_spoolPath is not null)
        {
            _files.TryDelete(_spoolPath);
        }
    }

    private static async Task SpoolAsync(ResumableReader reader, IFileSystem files, string path, CancellationToken cancellationToken)
    {
        using IFile spool = files.Create(path);
        byte[] chunk = new byte[ChunkSize];
        for (long offset = 0; offset < reader.Size;)
        {
            int count = await reader.ReadAsync(offset, chunk, cancellationToken);
            spool.Write(chunk.AsSpan(0, count), offset);
            offset += count;
        }
    }

    private async Task VerifyAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using Stream stream = OpenStream();
            LtxVerifyResult result = await LtxReader.VerifyAsync(stream, Info.Name, cancellationToken);
            Header = result.Header;
            PageBytes = result.PageCount * result.Header.PageSize;
            if (Header.MinTxid != Info.MinTxid || Header.MaxTxid != Info.MaxTxid)
            {
                throw new LtxException(
                    LtxErrorKind.HeaderInvalid, $"the header says transactions {Header.MinTxid} to {Header.MaxTxid}: another file has this name", Info.Name);
            }
        }
        catch (LtxException damage)
        {
            throw new LtxFileException(Info, damage);
        }
    }

    private Stream OpenStream() => _content is not null
        ? new MemoryStream(_content, writable: false)
        : new FileRangeStream(_files.OpenRead(_spoolPath!), 0, Info.Size);
}
