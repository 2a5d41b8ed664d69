using Litestream.Ltx;

namespace Litestream.Restore;

/// <summary>A state that can be restored.</summary>
/// <param name="Txid">Its last transaction: what to ask for by <see cref="RestoreOptions.TargetTxid"/>.</param>
/// <param name="Time">Time of the earliest file that ends there; any later time up to and including the next point's gives this one.</param>
/// <param name="Level">Lowest level of a usable file that ends there: 0 = as synced, 1-8 = merged, 9 = only a snapshot leads there.</param>
public readonly record struct RestorePoint(Txid Txid, DateTimeOffset Time, int Level);

/// <summary>Neighbouring points of one kind, without a gap.</summary>
/// <param name="First">The oldest.</param>
/// <param name="Last">The newest; equal to <paramref name="First"/> if there is one only.</param>
/// <param name="Count">How many there are, ends included.</param>
public sealed record RestoreRange(RestorePoint First, RestorePoint Last, int Count)
{
    /// <summary>Level of all its points: 0 = every transaction, 1-8 = every end of a file of that level, 9 = snapshots.</summary>
    public int Level => First.Level;
}
