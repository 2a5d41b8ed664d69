using Litestream.Ltx;

namespace Litestream.Follow;

/// <summary>One transaction of a follower: what new readers see since it was committed.</summary>
/// <param name="From">Last transaction that the database held before.</param>
/// <param name="To">Last transaction that it holds now.</param>
/// <param name="Files">Files that were applied together.</param>
/// <param name="Lag">
/// Age of the newest applied change: from the time in its file (the writer's clock) to now (this machine's clock), never negative.
/// </param>
public readonly record struct FollowProgress(Txid From, Txid To, int Files, TimeSpan Lag);
