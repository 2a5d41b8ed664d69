using Litestream.Storage;

namespace Litestream.Restore.Delta;

/// <summary>
/// A file of the replica that a database was made from, with the checksum in its trailer: while such a file is still there, it proves
/// that database and replica are of one history.
/// </summary>
/// <param name="File">The file as listed; its time is not kept.</param>
/// <param name="Checksum">File checksum of its trailer.</param>
internal readonly record struct ReplicaAnchor(LtxFileInfo File, ulong Checksum)
{
    /// <summary>Whether a listed file has this one's place in the replica.</summary>
    internal bool IsNamed(in LtxFileInfo listed) =>
        (listed.Level, listed.MinTxid, listed.MaxTxid) == (File.Level, File.MinTxid, File.MaxTxid);
}
