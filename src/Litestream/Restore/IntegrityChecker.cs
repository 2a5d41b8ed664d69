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
    internal static void Check(string path, IntegrityCheckMode mode)
    {
        if (mode == IntegrityCheckMode.None)
        {
            return;
        }

        string? finding;
        try
        {
            using SqliteConnection connection = SqliteConnection.Open(path, new SqliteOpenOptions());

            // The connection tolerates schemas that do not parse; a check must not.
            connection.Execute("PRAGMA writable_schema = OFF");
            finding = connection.QueryText(mode == IntegrityCheckMode.Quick ? "PRAGMA quick_check" : "PRAGMA integrity_check");
        }
        catch (SqliteException failure)
        {
            throw new RestoreIntegrityException(path, failure.Message, failure);
        }

        if (finding != "ok")
        {
            throw new RestoreIntegrityException(path, finding ?? "no result");
        }
    }
}
