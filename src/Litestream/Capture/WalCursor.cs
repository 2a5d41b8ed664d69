namespace Litestream.Capture;

/// <summary>
/// How far the WAL has been captured: the frame after which the next pass begins, with everything that the next frame's checksum
/// continues from (replication §8.7, "c").
/// </summary>
/// <param name="HasGeneration">False while the WAL had no header yet ("empty" position); the salts are then meaningless.</param>
/// <param name="Salt1">Salt-1 of the generation.</param>
/// <param name="Salt2">Salt-2 of the generation.</param>
/// <param name="Frame">Frames captured of this generation; 0 = none yet.</param>
/// <param name="Checksum1">First word of the stored checksum of that frame. At frame 0 it is read from the header at every pass (trap C18).</param>
/// <param name="Checksum2">Second word.</param>
/// <param name="Commit">Size of the database in pages as of that frame.</param>
internal readonly record struct WalCursor(
    bool HasGeneration, uint Salt1, uint Salt2, uint Frame, uint Checksum1, uint Checksum2, uint Commit)
{
    /// <summary>Captured while the WAL had no header.</summary>
    public static WalCursor Empty(uint commit) => new(false, 0, 0, 0, 0, 0, commit);
}
