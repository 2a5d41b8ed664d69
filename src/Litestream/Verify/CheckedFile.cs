using Litestream.Storage;

namespace Litestream.Verify;

/// <summary>What is known of one file of a replica after it was read whole.</summary>
/// <param name="File">The file as listed.</param>
/// <param name="Run">Number of the run that read it.</param>
/// <param name="ReadAt">When it was read.</param>
/// <param name="Content">What it holds; null if it is damaged.</param>
/// <param name="Finding">What is wrong; null if nothing is.</param>
internal sealed record CheckedFile(LtxFileInfo File, long Run, DateTimeOffset ReadAt, FileContent? Content, VerifyFinding? Finding);

/// <summary>Facts of an intact file that decide whether it fits its neighbours.</summary>
/// <param name="PageSize">Bytes.</param>
/// <param name="Commit">Size of the database after it, in pages.</param>
/// <param name="TailStart">From here to <paramref name="Commit"/> it holds every page; commit + 1 = not even the last one.</param>
internal readonly record struct FileContent(int PageSize, uint Commit, uint TailStart);
