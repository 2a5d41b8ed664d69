using Litestream.Ltx;

namespace Litestream.State;

/// <summary>What is wrong with a local LTX file, and thereby what helps (replication §9).</summary>
public enum LocalLtxProblem
{
    /// <summary>The file is not there. Auto-recovery or <c>reset</c> helps.</summary>
    Missing,

    /// <summary>The file is damaged. Auto-recovery or <c>reset</c> helps.</summary>
    Corrupt,

    /// <summary>The file cannot be read now (permissions, descriptors, I/O). Only trying again helps; the state must not be thrown away.</summary>
    Transient,

    /// <summary>No space is left. Replication pauses until there is.</summary>
    DiskFull,
}

/// <summary>An operation on a file of the state directory failed. Text: <c>&lt;op&gt; ltx file &lt;path&gt;: &lt;cause&gt;</c>.</summary>
public sealed class LocalLtxException : IOException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="operation">open, verify, decode, stage-mkdir, stage-open, stage-write, stage-sync or stage-close.</param>
    /// <param name="path">File.</param>
    /// <param name="txid">Transaction the file is for.</param>
    /// <param name="problem">Class of the failure.</param>
    /// <param name="innerException">Cause.</param>
    public LocalLtxException(string operation, string path, Txid txid, LocalLtxProblem problem, Exception innerException)
        : base($"{operation} ltx file {path}: {innerException?.Message}{Hint(problem)}", innerException)
    {
        Operation = operation;
        Path = path;
        Txid = txid;
        Problem = problem;
    }

    /// <summary>The step that failed.</summary>
    public string Operation { get; }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The transaction the file is for; its last one above level 0.</summary>
    public Txid Txid { get; }

    /// <summary>Class of the failure.</summary>
    public LocalLtxProblem Problem { get; }

    /// <summary>True if throwing the local state away and copying the database anew helps.</summary>
    public bool IsAutoRecoverable => Problem is LocalLtxProblem.Missing or LocalLtxProblem.Corrupt;

    private static string Hint(LocalLtxProblem problem) => problem switch
    {
        LocalLtxProblem.Missing or LocalLtxProblem.Corrupt =>
            " (run 'litestream reset <db>' to drop the local state and continue with a full copy, or set auto-recover)",
        _ => "",
    };
}
