using Litestream.Ltx;
using Litestream.Restore;

namespace Litestream.Verify;

/// <summary>Ranges of transactions without the points in them that can be restored.</summary>
internal static class LostPoints
{
    /// <summary>Cuts the reachable points out and joins what then has no reachable point between it.</summary>
    /// <param name="candidates">Transactions that are or were points, in any order.</param>
    /// <param name="reachable">Points that can be restored, ascending.</param>
    public static IReadOnlyList<TxidRange> Merge(IEnumerable<TxidRange> candidates, List<Txid> reachable)
    {
        var merged = new List<TxidRange>();
        foreach (TxidRange candidate in candidates.OrderBy(range => range.First).ThenBy(range => range.Last))
        {
            foreach (TxidRange piece in Cut(candidate, reachable))
            {
                if (merged is [.., { } last] && !AnyBetween(reachable, last.Last, piece.First))
                {
                    merged[^1] = new TxidRange(last.First, piece.Last > last.Last ? piece.Last : last.Last);
                }
                else
                {
                    merged.Add(piece);
                }
            }
        }

        return merged;
    }

    private static IEnumerable<TxidRange> Cut(TxidRange range, List<Txid> reachable)
    {
        Txid next = range.First;
        for (int i = IndexFrom(reachable, range.First); i < reachable.Count && reachable[i] <= range.Last; i++)
        {
            if (reachable[i] > next)
            {
                yield return new TxidRange(next, new Txid(reachable[i].Value - 1));
            }

            if (reachable[i] == range.Last)
            {
                yield break;
            }

            next = reachable[i].Next;
        }

        yield return new TxidRange(next, range.Last);
    }

    private static bool AnyBetween(List<Txid> reachable, Txid after, Txid before) =>
        after < before && IndexFrom(reachable, after) is int i && i < reachable.Count && reachable[i] < before;

    private static int IndexFrom(List<Txid> sorted, Txid txid)
    {
        int found = sorted.BinarySearch(txid);
        return found < 0 ? ~found : found;
    }
}
