using Litestream.Ltx;
using Litestream.Storage.Transport;

namespace Litestream.Storage.S3;

/// <summary>An LTX file as a listing shows it.</summary>
/// <param name="Info">The file, with the store's time.</param>
/// <param name="Key">Its key.</param>
/// <param name="Version">Its version; null = the current one.</param>
internal readonly record struct StoredFile(LtxFileInfo Info, string Key, string? Version)
{
    /// <summary>Reads an entry of a listing of one level; null for anything that is no LTX file directly there: what lies deeper cannot be opened.</summary>
    public static StoredFile? Of(int level, string prefix, string key, long size, DateTimeOffset lastModified, string? version) =>
        key.StartsWith(prefix, StringComparison.Ordinal) && !key.AsSpan(prefix.Length).Contains('/') && ReplicaKeys.Parse(key) is (Txid min, Txid max)
            ? new StoredFile(new LtxFileInfo(level, min, max, size, lastModified), key, version)
            : null;
}
