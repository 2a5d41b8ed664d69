namespace Litestream.Storage.Transport;

/// <summary>
/// Size of the parts of one upload, fixed before it begins (decision D34): all parts but the last are equal, which some stores demand,
/// and so large that their number stays below the store's limit, whatever the size of the database.
/// </summary>
public static class UploadPartSize
{
    /// <summary>Bytes of parts that are sent at a time, per upload; one part more is read meanwhile. A larger part is sent alone, and from a file.</summary>
    public const long MaxBytesInFlight = 64L << 20;

    // Of 10,000 that S3 allows: the bound may be exceeded by an encoder that knows its pages only roughly.
    private const int MaxParts = 9000;

    private const long Unit = 256 << 10;

    /// <summary>The part size of an upload.</summary>
    /// <param name="configured">Size that the user or the backend wants, in bytes.</param>
    /// <param name="source">What will be uploaded.</param>
    /// <param name="consumed">Bytes that have been taken from it already.</param>
    /// <param name="maxParts">Parts that the bound may need, well below the store's limit.</param>
    public static long For(long configured, Stream source, long consumed = 0, int maxParts = MaxParts)
    {
        long? bound = BoundOf(source) + consumed;
        return bound is { } most && most > configured * maxParts ? RoundUp(((most - 1) / maxParts) + 1) : configured;
    }

    /// <summary>Most bytes that a source still gives; null if nobody knows.</summary>
    public static long? BoundOf(Stream source) => source switch
    {
        ILengthBound bounded => bounded.MaxLength,
        { CanSeek: true } => source.Length - source.Position,
        _ => null,
    };

    private static long RoundUp(long size) => (size + Unit - 1) / Unit * Unit;
}
