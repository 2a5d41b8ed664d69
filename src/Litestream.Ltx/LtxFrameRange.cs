namespace Litestream.Ltx;

/// <summary>Neighbouring page frames of a file: a part that can be fetched and decoded on its own.</summary>
/// <param name="Start">File offset of the first frame.</param>
/// <param name="End">File offset after the last frame.</param>
/// <param name="FirstPage">Page number of the first frame.</param>
/// <param name="LastPage">Page number of the last frame.</param>
/// <param name="PageCount">Number of frames.</param>
public readonly record struct LtxFrameRange(long Start, long End, uint FirstPage, uint LastPage, long PageCount);
