using Litestream.Ltx;

namespace Litestream.Restore;

/// <summary>A place where the chain of files is broken.</summary>
/// <param name="After">The last point before it; none if there is no point before it.</param>
/// <param name="Missing">Transactions without a file, ascending, at least one range.</param>
/// <param name="Lost">Ends of files that exist but cannot be reached because of it, ascending.</param>
/// <param name="Resumes">The snapshot that history resumes with; none = nothing newer can be restored.</param>
public sealed record RestoreGap(Txid After, IReadOnlyList<TxidRange> Missing, IReadOnlyList<RestorePoint> Lost, Txid Resumes);

/// <summary>Transactions of which the replica has no file.</summary>
/// <param name="First">The first of them.</param>
/// <param name="Last">The last of them.</param>
public readonly record struct TxidRange(Txid First, Txid Last);
