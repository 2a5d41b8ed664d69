using Litestream.Ltx;

namespace Litestream.Storage;

/// <summary>
/// A place that holds the LTX files of one database: the seam between the engine and every storage backend (backends §1).
/// All operations may run at the same time on one client. An object is never visible under its final name with partial content.
/// </summary>
public interface IReplicaClient : IAsyncDisposable
{
    /// <summary>Backend name as used in metrics, logs and JSON: <c>file</c>, <c>s3</c>, …</summary>
    string Type { get; }

    /// <summary>Validates settings and may connect. Idempotent; after a failure the next call tries again.</summary>
    /// <exception cref="ReplicaException">The backend cannot be used as configured.</exception>
    ValueTask InitializeAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Files of one level whose MinTXID is at least <paramref name="seek"/>, ascending by (MinTXID, MaxTXID). A missing
    /// directory or prefix is an empty list; a failure while listing is an exception, never the end of the list (trap C17).
    /// </summary>
    /// <param name="level">0 to 9.</param>
    /// <param name="seek">0 for all files.</param>
    /// <param name="accurateTimes">True asks for the header time even where it costs a request per file (backends §1.8).</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    IAsyncEnumerable<LtxFileInfo> ListAsync(int level, Txid seek, bool accurateTimes, CancellationToken cancellationToken);

    /// <summary>Opens a byte range of one file.</summary>
    /// <param name="level">0 to 9.</param>
    /// <param name="minTxid">First transaction of the file.</param>
    /// <param name="maxTxid">Last transaction of the file.</param>
    /// <param name="offset">First byte, from 0.</param>
    /// <param name="size">Number of bytes, or 0 = to the end of the file. A range past the end yields fewer bytes.</param>
    /// <param name="cancellationToken">Cancels the open and later reads.</param>
    /// <exception cref="LtxFileNotFoundException">There is no such file.</exception>
    ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken);

    /// <summary>
    /// Stores one file and returns when it is durable and readable. The stream must begin with an LTX header; fewer than
    /// 100 bytes or a wrong magic are refused before anything is stored (ltx-format trap 17). A source that fails in the
    /// middle leaves nothing visible.
    /// </summary>
    /// <param name="level">0 to 9.</param>
    /// <param name="minTxid">First transaction of the file.</param>
    /// <param name="maxTxid">Last transaction of the file.</param>
    /// <param name="source">Bytes of the file, read to its end.</param>
    /// <param name="mode">Whether an existing object of that name may be replaced.</param>
    /// <param name="cancellationToken">Aborts the upload; nothing becomes visible.</param>
    /// <returns>The file as written; CreatedAt is the time in its header.</returns>
    /// <exception cref="ReplicaConflictException"><see cref="WriteMode.CreateOnly"/> found another writer's object (decision D35).</exception>
    ValueTask<LtxFileInfo> WriteAsync(int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken);

    /// <summary>Deletes files; a missing one is not an error, an empty list makes no request.</summary>
    ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken);

    /// <summary>Removes everything below the replica's path, not only LTX files. A missing path is not an error.</summary>
    ValueTask DeleteAllAsync(CancellationToken cancellationToken);
}
