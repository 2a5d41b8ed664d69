using Litestream.Ltx;

namespace Litestream.Levels;

/// <summary>Consecutive transactions, both ends included.</summary>
/// <param name="Min">First transaction.</param>
/// <param name="Max">Last transaction, not below <paramref name="Min"/>.</param>
internal readonly record struct TxidRange(Txid Min, Txid Max)
{
    /// <inheritdoc/>
    public override string ToString() => Min == Max ? Min.ToString() : $"{Min}-{Max}";
}
