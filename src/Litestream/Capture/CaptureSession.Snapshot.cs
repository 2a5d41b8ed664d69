using Litestream.Ltx;
using Litestream.Sqlite;

namespace Litestream.Capture;

/// <summary>Copies of the whole database for level 9 (replication §8.6, §8.7).</summary>
internal sealed partial class CaptureSession
{
    /// <summary>
    /// Begins a read transaction of its own whose position is exactly the end of a level-0 file. The copy then reads from it for as
    /// long as it likes; capture and checkpoints go on meanwhile, up to its mark.
    /// </summary>
    /// <returns>The source; the caller disposes it. Null while there is nothing to copy.</returns>
    public SnapshotSource? BeginSnapshot(CancellationToken cancellationToken)
    {
        // What this captures waits for the rest: one file more for a snapshot, not two.
        Pass(publish: false, cancellationToken);
        SqliteConnection connection = readLock.OpenConnection();
        try
        {
            connection.BeginRead();
            WalPosition? position = connection.TryGetPosition(out WalPosition p) ? p : null;
            CaptureUpTo(position, publish: true, cancellationToken, out string? broken);
            if (broken is not null)
            {
                FullCopy(connection, position, broken, cancellationToken);
            }

            if (Position.IsNone)
            {
                connection.Dispose();
                return null;
            }

            return new SnapshotSource(connection, Position, captured, time.GetUtcNow());
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
