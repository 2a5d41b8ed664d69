using Litestream.Storage;

namespace Litestream.Capture;

/// <summary>What the WAL file looked like from outside at one moment.</summary>
/// <param name="Size">Bytes; -1 if it was missing.</param>
/// <param name="ModifiedAt">Time of the last write.</param>
/// <param name="LookedAt">The moment.</param>
internal readonly record struct WalLook(long Size, DateTimeOffset ModifiedAt, DateTimeOffset LookedAt)
{
    /// <summary>File times advance in steps of a few milliseconds, coarser on some file systems, and clocks of file servers differ.</summary>
    private static readonly TimeSpan Certain = TimeSpan.FromSeconds(1);

    public WalLook(FileStatus? file, DateTimeOffset now)
        : this(file?.Size ?? -1, file?.ModifiedAt ?? default, now)
    {
    }

    /// <summary>True if the last write was so long before the look that a further one would show.</summary>
    public bool IsCertain => LookedAt - ModifiedAt > Certain;

    /// <summary>True if no write can have happened between an earlier look and this one.</summary>
    public bool IsSameAs(in WalLook earlier) => Size == earlier.Size && ModifiedAt == earlier.ModifiedAt && earlier.IsCertain;
}
