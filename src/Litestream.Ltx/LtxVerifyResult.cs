namespace Litestream.Ltx;

/// <summary>What a complete, correct file contains.</summary>
/// <param name="Header">Its header.</param>
/// <param name="Trailer">Its trailer.</param>
/// <param name="PageCount">Number of page frames.</param>
/// <param name="Size">Bytes of the file.</param>
public readonly record struct LtxVerifyResult(LtxHeader Header, LtxTrailer Trailer, long PageCount, long Size);
