namespace Litestream.Capture;

/// <summary>What one pass did.</summary>
/// <param name="Advanced">True if a level-0 file was written.</param>
/// <param name="WalBytes">Bytes of WAL read into level 0.</param>
/// <param name="FullCopyReason">Why a full copy was taken; null if none was.</param>
/// <param name="PageSizeChanged">True if that copy has another page size than the files before it, so that it needs a base of its own.</param>
internal readonly record struct PassResult(bool Advanced, long WalBytes, string? FullCopyReason, bool PageSizeChanged);
