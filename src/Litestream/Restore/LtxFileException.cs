using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>A planned file is damaged: the restore fails, unless other files lead to the same transaction (decision D8).</summary>
public sealed class LtxFileException(LtxFileInfo file, Exception cause)
    : IOException(
        cause is LtxException ? $"level {file.Level}, TXID {file.MinTxid} to {file.MaxTxid}: {cause.Message}" : cause.Message, cause)
{
    /// <summary>The file as listed.</summary>
    public LtxFileInfo File { get; } = file;
}
