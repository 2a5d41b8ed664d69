using Litestream.Ltx;

namespace Litestream.Restore;

/// <summary>What a delta restore took over and what it fetched (decision D1).</summary>
/// <param name="BaseTxid">Transaction of the older copy; none if everything was fetched.</param>
/// <param name="PagesCopied">Pages taken over, each with the digest that its side file says.</param>
/// <param name="PagesFetched">Pages read from the replica.</param>
/// <param name="PagesDamaged">Of these, pages that did not change but whose local copy differs from its digest.</param>
/// <param name="PagesUnverified">
/// Of these, pages out of files that were read in part: their place and form were checked, the checksum of their file was not.
/// </param>
/// <param name="BytesFetched">Bytes read from the replica, page indexes included.</param>
public sealed record DeltaReport(Txid BaseTxid, long PagesCopied, long PagesFetched, long PagesDamaged, long PagesUnverified, long BytesFetched);
