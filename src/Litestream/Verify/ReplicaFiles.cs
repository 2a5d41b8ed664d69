using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Verify;

/// <summary>The last listing of a replica together with what is known of its files, from this run and from earlier ones.</summary>
internal sealed class ReplicaFiles(VerifyMemory memory)
{
    private readonly Dictionary<(int Level, Txid Min, Txid Max), CheckedFile> checks = [];

    /// <summary>The files as listed last.</summary>
    public ReplicaListing Listing { get; set; } = ReplicaListing.Of([]);

    /// <summary>The last reading of exactly this file; null if it was never read.</summary>
    public CheckedFile? Known(LtxFileInfo file) => OfThisRun(file) ?? memory.Find(file)?.Check;

    /// <summary>The reading of this run, or null.</summary>
    public CheckedFile? OfThisRun(LtxFileInfo file)
    {
        lock (checks)
        {
            return checks.TryGetValue((file.Level, file.MinTxid, file.MaxTxid), out CheckedFile? check) && check.File == file ? check : null;
        }
    }

    /// <summary>Notes a reading.</summary>
    public void Add(CheckedFile check)
    {
        lock (checks)
        {
            checks[(check.File.Level, check.File.MinTxid, check.File.MaxTxid)] = check;
        }
    }
}
