using Litestream.Ltx;

namespace Litestream.Storage;

/// <summary>
/// The file is not there: it was merged or expired since it was listed, or never existed. The one error kind on which readers
/// plan again (backends §1.4).
/// </summary>
public sealed class LtxFileNotFoundException(int level, Txid minTxid, Txid maxTxid, string location, Exception? innerException = null)
    : ReplicaException($"open ltx file {location}: file does not exist", isTransient: false, innerException)
{
    /// <summary>Level of the file.</summary>
    public int Level { get; } = level;

    /// <summary>First transaction of the file.</summary>
    public Txid MinTxid { get; } = minTxid;

    /// <summary>Last transaction of the file.</summary>
    public Txid MaxTxid { get; } = maxTxid;
}
