using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Verify;

/// <summary>The result of the last verification of a database's replica, as its state directory keeps it.</summary>
/// <param name="Result"><c>proven</c>, <c>damaged</c> or <c>failed</c> (<see cref="VerifyReport.Result"/>).</param>
/// <param name="Proven">Newest proven transaction; none without one.</param>
/// <param name="ProvenTime">Time of that transaction; null without one.</param>
/// <param name="ProvenAt">When it was proven.</param>
/// <param name="FinishedAt">When the last run ended.</param>
/// <param name="DamagedFiles">Damaged, misplaced and missing files that remain.</param>
/// <param name="LostRanges">Ranges of points that the damage costs.</param>
public sealed record VerificationStatus(
    string Result, Txid Proven, DateTimeOffset? ProvenTime, DateTimeOffset ProvenAt, DateTimeOffset FinishedAt, int DamagedFiles, int LostRanges)
{
    /// <summary>Reads the result of the last run.</summary>
    /// <param name="files">The file system of the state directory.</param>
    /// <param name="database">The database.</param>
    /// <returns>Null if there was no run, or what it left cannot be read.</returns>
    public static VerificationStatus? Read(IFileSystem files, DatabaseOptions database)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(database);
        return VerifyMemory.Load(files, database.StateDirectory).LastResult;
    }

    internal static VerificationStatus Of(VerifyReport report) => new(
        report.Result, report.Proven, report.ProvenTime, report.ProvenAt, report.FinishedAt, report.Damaged.Count, report.Lost.Count);
}
