using Litestream.Ltx;

namespace Litestream.State;

/// <summary>
/// Checksums of the bytes of level-0 files that this process wrote and nobody has verified since. Capture adds, the uploader takes.
/// </summary>
internal sealed class WrittenChecksums
{
    /// <summary>A longer queue behind an unreachable replica is verified page by page.</summary>
    private const int Limit = 1024;

    private readonly Lock gate = new();
    private readonly Dictionary<Txid, ulong> checksums = [];

    /// <summary>A file was written; what was known of an older version of it is void.</summary>
    public void Add(Txid txid, ulong checksum)
    {
        lock (gate)
        {
            checksums.Remove(txid);
            if (checksums.Count < Limit)
            {
                checksums.Add(txid, checksum);
            }
        }
    }

    /// <summary>Takes the checksum of a file: it serves once.</summary>
    /// <returns>Null if it is not known.</returns>
    public ulong? Take(Txid txid)
    {
        lock (gate)
        {
            return checksums.Remove(txid, out ulong checksum) ? checksum : null;
        }
    }

    /// <summary>Forgets everything: the files are gone.</summary>
    public void Clear()
    {
        lock (gate)
        {
            checksums.Clear();
        }
    }
}
