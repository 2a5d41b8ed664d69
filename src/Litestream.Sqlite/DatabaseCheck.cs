using Litestream.Sqlite.Interop;

namespace Litestream.Sqlite;

/// <summary>SQLite's own check of a database that nobody else uses, such as a restored one.</summary>
public static class DatabaseCheck
{
    /// <summary>Problems that one check reports at most.</summary>
    public const int MaxProblems = 100;

    /// <summary>Checks a database. Leaves no <c>-wal</c> or <c>-shm</c> behind.</summary>
    /// <param name="path">Absolute path of the database file.</param>
    /// <param name="mode">Which check.</param>
    /// <param name="cancellationToken">Interrupts the running check.</param>
    /// <returns>SQLite's lines, at most <see cref="MaxProblems"/>; empty = the database is sound.</returns>
    /// <exception cref="SqliteException">The file cannot be opened or read (damage is a result, not an exception).</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static IReadOnlyList<string> Run(string path, DatabaseCheckMode mode, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using SqliteConnection connection = SqliteConnection.OpenOrdinary(path);
        using CancellationTokenRegistration interrupt = cancellationToken.Register(connection.Interrupt);
        string pragma = mode == DatabaseCheckMode.Quick ? "quick_check" : "integrity_check";
        try
        {
            List<string> lines = connection.QueryLines($"PRAGMA {pragma}({MaxProblems})");
            return lines is ["ok"] ? [] : lines;
        }
        catch (SqliteException failure) when (failure.IsCorrupt)
        {
            // Damage that keeps the check itself from running is damage found.
            return [failure.Message];
        }
        catch (SqliteException failure) when (failure.ResultCode == SqliteConstants.Interrupt && cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException($"the check of {path} was cancelled", failure, cancellationToken);
        }
    }
}
