using Litestream.Sqlite;

namespace Litestream.Restore;

/// <summary>The restored database does not pass SQLite's own check. The old database, if any, is untouched.</summary>
public sealed class RestoreIntegrityException(string path, string finding, Exception? innerException = null)
    : Exception($"post-restore integrity check: {path}: {finding}", innerException);

/// <summary>Lets SQLite check a restored file before it gets its name (store-and-restore §11.3).</summary>
internal static class IntegrityChecker
{
    /// <summary>Checks a file that nobody else uses.</summary>
    /// <exception cref="RestoreIntegrityException">SQLite finds damage, or does not take the file for a database.</exception>
    internal static void Check(string path, IntegrityCheckMode mode, CancellationToken cancellationToken)
    {
        if (mode == IntegrityCheckMode.None)
        {
            return;
        }

        try
        {
            DatabaseCheckMode check = mode == IntegrityCheckMode.Quick ? DatabaseCheckMode.Quick : DatabaseCheckMode.Full;
            IReadOnlyList<string> problems = DatabaseCheck.Run(path, check, cancellationToken);
            if (problems.Count > 0)
            {
                throw new RestoreIntegrityException(path, string.Join("; ", problems));
            }
        }
        catch (SqliteException failure)
        {
            throw new RestoreIntegrityException(path, failure.Message, failure);
        }
    }
}
