namespace Litestream.Ltx;

/// <summary>A finished merge.</summary>
/// <param name="Header">Header of the result.</param>
/// <param name="Size">Bytes of the result.</param>
/// <param name="PageCount">Number of page frames of the result.</param>
public readonly record struct LtxMergeResult(LtxHeader Header, long Size, long PageCount);
