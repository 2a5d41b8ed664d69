namespace Litestream.Ltx;

/// <summary>How files are merged.</summary>
public sealed record LtxMergeOptions
{
    /// <summary>Header flags of the result: <see cref="LtxFormat.NoChecksum"/> (Litestream) or 0, which all inputs must allow.</summary>
    public uint Flags { get; init; } = LtxFormat.NoChecksum;

    /// <summary>Accept missing transactions between the inputs.</summary>
    public bool AllowGaps { get; init; }

    /// <summary>Called now and then with the last page written and the number of pages of the database.</summary>
    public Action<uint, uint>? Progress { get; init; }
}
