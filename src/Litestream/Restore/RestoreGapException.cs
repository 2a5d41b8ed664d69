using Litestream.Ltx;

namespace Litestream.Restore;

/// <summary>
/// Files exist behind a gap that nothing bridges: the newest state cannot be reached, and an older one is never given silently
/// (store-and-restore §9.2 rule 3, trap P18).
/// </summary>
public sealed class RestoreGapException(Txid reached, Txid next)
    : Exception($"cannot calc restore plan: non-contiguous ltx files: have up to {reached} but next file starts at {next}")
{
    /// <summary>Last transaction that can be restored; ask for it by TXID to get it.</summary>
    public Txid Reached { get; } = reached;

    /// <summary>First transaction of the nearest file behind the gap.</summary>
    public Txid Next { get; } = next;
}
