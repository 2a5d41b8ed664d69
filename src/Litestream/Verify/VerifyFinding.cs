using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Verify;

/// <summary>What is wrong with a file of a replica.</summary>
public enum VerifyProblem
{
    /// <summary>Its content does not pass the checks: cut, changed, not an LTX file, or without pages that it must have.</summary>
    Damaged,

    /// <summary>It is intact, but another file has this name.</summary>
    Misplaced,

    /// <summary>It is not there, although its level or the state directory says that it was.</summary>
    Missing,

    /// <summary>It could not be read: whether it is intact is not known.</summary>
    Unreadable,
}

/// <summary>One file of a replica with a problem.</summary>
/// <param name="Level">0 to 9.</param>
/// <param name="MinTxid">First transaction of the file; of a missing one the first that its level lacks.</param>
/// <param name="MaxTxid">Last transaction of the file; of a missing one the last that its level lacks.</param>
/// <param name="Problem">Class of the problem.</param>
/// <param name="Detail">What was expected and what was found.</param>
/// <param name="Offset">Byte offset in the file, or -1.</param>
public sealed record VerifyFinding(int Level, Txid MinTxid, Txid MaxTxid, VerifyProblem Problem, string Detail, long Offset)
{
    /// <summary>File name without directory; of several missing files in a row, that of one with all their transactions.</summary>
    public string Name => LtxFileName.Format(MinTxid, MaxTxid);

    internal static VerifyFinding Of(in LtxFileInfo file, VerifyProblem problem, string detail, long offset = -1) =>
        new(file.Level, file.MinTxid, file.MaxTxid, problem, detail, offset);

    internal static VerifyFinding Missing(int level, TxidRange range, string detail) =>
        new(level, range.First, range.Last, VerifyProblem.Missing, detail, -1);
}
