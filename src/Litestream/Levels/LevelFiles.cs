using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Levels;

/// <summary>Questions about the files of one level, sorted by (MinTXID, MaxTXID). Overlapping and contained files are allowed.</summary>
internal static class LevelFiles
{
    /// <summary>The file that reaches furthest; of equal ones the last. Null without files.</summary>
    public static LtxFileInfo? Newest(IReadOnlyList<LtxFileInfo> files)
    {
        // Not simply the last one: a contained file may sort behind the file that contains it.
        LtxFileInfo? newest = null;
        foreach (LtxFileInfo file in files)
        {
            if (newest is not { } best || file.MaxTxid >= best.MaxTxid)
            {
                newest = file;
            }
        }

        return newest;
    }

    /// <summary>The greatest transaction of a level; none without files.</summary>
    public static Txid Reach(IReadOnlyList<LtxFileInfo> files) => Newest(files)?.MaxTxid ?? Txid.None;

    /// <summary>Index of the first file that begins behind a transaction; the number of files if none does.</summary>
    public static int FirstBehind(IReadOnlyList<LtxFileInfo> files, Txid txid)
    {
        int low = 0;
        int high = files.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (files[middle].MinTxid > txid)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }

    /// <summary>
    /// The last transaction of the files that together hold a range without a gap: the first point that can be reached through them
    /// once the files that they replace are gone. Null if they do not hold all of it.
    /// </summary>
    public static Txid? CoverEnd(IReadOnlyList<LtxFileInfo> files, TxidRange range)
    {
        int index = FirstBehind(files, range.Min);
        Txid? whole = null;
        Txid reached = Txid.None;
        for (int i = index - 1; i >= 0; i--)
        {
            Txid end = files[i].MaxTxid;
            if (end >= range.Max && (whole is not { } known || end < known))
            {
                // The smallest such file: fewer points depend on what it replaces.
                whole = end;
            }

            reached = end > reached ? end : reached;
        }

        if (whole is not null || reached < range.Min)
        {
            return whole;
        }

        for (; reached < range.Max; index++)
        {
            if (index == files.Count || files[index].MinTxid > reached.Next)
            {
                return null;
            }

            reached = files[index].MaxTxid > reached ? files[index].MaxTxid : reached;
        }

        return reached;
    }
}
