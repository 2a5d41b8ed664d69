namespace Litestream.Ltx;

/// <summary>How files are merged.</summary>
public sealed record LtxMergeOptions
{
    /// <summary>Header flags of the result: <see cref="LtxFormat.NoChecksum"/> (Litestream) or 0, which all inputs must allow.</summary>
    public uint Flags { get; init; } = LtxFormat.NoChecksum;

    /// <summary>Accept missing transactions between the inputs.</summary>
    public bool AllowGaps { get; init; }

    /// <summary>
    /// Header of the result; null = made from the inputs. A merge of more files than can be open is done in steps: a result in
    /// between keeps the largest size that the database had in it, since a later file may grow into the same pages again, and the last
    /// step states what the whole is.
    /// </summary>
    public LtxHeader? Header { get; init; }

    /// <summary>
    /// Every page above this number must be in the result, or the merge fails: SQLite's growing transactions carry the new pages, and
    /// a level with a hole could not be restored. Null = the smallest size that the database had before the last input, as far as
    /// the inputs tell. <see cref="uint.MaxValue"/> = no check, for a result in between.
    /// </summary>
    public uint? CompleteAbove { get; init; }

    /// <summary>Called now and then with the last page written and the number of pages of the database.</summary>
    public Action<uint, uint>? Progress { get; init; }
}
