using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>The files of all levels as one pass of listings found them, each level by (MinTXID, MaxTXID).</summary>
internal sealed class ReplicaListing
{
    private readonly IReadOnlyList<LtxFileInfo>[] _levels;

    internal ReplicaListing(IReadOnlyList<LtxFileInfo>[] levels) => _levels = levels;

    /// <summary>True when no level holds any file.</summary>
    internal bool IsEmpty => Array.TrueForAll(_levels, level => level.Count == 0);

    /// <summary>Time of the earliest file of all levels; null without files.</summary>
    internal DateTimeOffset? Earliest => All.Select(file => (DateTimeOffset?)file.CreatedAt).Min();

    /// <summary>Time of the latest file of all levels; null without files.</summary>
    internal DateTimeOffset? Latest => All.Select(file => (DateTimeOffset?)file.CreatedAt).Max();

    /// <summary>The greatest transaction of all levels; none without files.</summary>
    internal Txid Newest => All.Select(file => file.MaxTxid).DefaultIfEmpty().Max();

    /// <summary>Every file, levels ascending.</summary>
    internal IEnumerable<LtxFileInfo> All => _levels.SelectMany(level => level);

    /// <summary>Files of one level.</summary>
    internal IReadOnlyList<LtxFileInfo> this[int level] => _levels[level];

    /// <summary>A listing of some files, in any order.</summary>
    internal static ReplicaListing Of(IEnumerable<LtxFileInfo> files)
    {
        ILookup<int, LtxFileInfo> levels = files.ToLookup(file => file.Level);
        return new ReplicaListing(
            [.. Enumerable.Range(0, LtxFileInfo.LevelCount).Select(level => (IReadOnlyList<LtxFileInfo>)
                [.. levels[level].OrderBy(file => file.MinTxid).ThenBy(file => file.MaxTxid)])]);
    }

    /// <summary>
    /// Lists level 0 first and upward from there: files move upward only, and the merged file exists before its sources go, so
    /// nothing can be missed in both places (trap P25).
    /// </summary>
    internal static async ValueTask<ReplicaListing> ReadAsync(
        IReplicaClient client, bool accurateTimes, CancellationToken cancellationToken)
    {
        var levels = new IReadOnlyList<LtxFileInfo>[LtxFileInfo.LevelCount];
        for (int level = 0; level < levels.Length; level++)
        {
            List<LtxFileInfo> files = [];
            await foreach (LtxFileInfo file in client.ListAsync(level, Txid.None, accurateTimes, cancellationToken))
            {
                files.Add(file);
            }

            levels[level] = files;
        }

        return new ReplicaListing(levels);
    }
}
