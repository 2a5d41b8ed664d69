using Litestream.Ltx;

namespace Litestream.Verify;

/// <summary>What is known about a replica besides its listing: without it, a file that is simply gone may look like one that has expired.</summary>
/// <param name="Since">Points from then on are promised (<c>snapshot.retention</c>); null = not known.</param>
/// <param name="Newest">Newest transaction that an earlier run saw; some level must hold it. None = not known.</param>
/// <param name="NewestLocal">Newest transaction in the state directory; level 0 must hold it: its newest file is never deleted. None = not known.</param>
/// <param name="Ends">Points that earlier runs saw and that must still be there.</param>
internal sealed record PromisedPoints(DateTimeOffset? Since, Txid Newest, Txid NewestLocal, IReadOnlyCollection<Txid> Ends)
{
    /// <summary>Nothing is known.</summary>
    public static PromisedPoints None { get; } = new(null, Txid.None, Txid.None, []);
}
