using System.Net;

namespace Litestream.Storage.Transport;

/// <summary>Which bytes of an answer's body are the ones that were asked for.</summary>
/// <param name="Skip">Bytes before them: a server that ignores <c>Range</c> sends the whole object (trap T30).</param>
/// <param name="Limit">Their number, or -1 = to the end.</param>
/// <param name="IsEmpty">True if there are none.</param>
public readonly record struct BodyRange(long Skip, long Limit, bool IsEmpty = false)
{
    /// <summary>Nothing: the range lies behind the end of the object.</summary>
    public static BodyRange Empty => new(0, 0, IsEmpty: true);

    /// <summary>
    /// The usual reading of an answer to a request for a range: 206 = as asked, 200 = everything, 416 = behind the end; null = the
    /// request failed, which each backend says in its own words.
    /// </summary>
    /// <param name="status">Status of the answer.</param>
    /// <param name="offset">First byte asked for.</param>
    /// <param name="size">Bytes asked for; 0 = to the end.</param>
    public static BodyRange? Of(HttpStatusCode status, long offset, long size) => status switch
    {
        HttpStatusCode.PartialContent => new BodyRange(0, size == 0 ? -1 : size),
        HttpStatusCode.OK => new BodyRange(offset, size == 0 ? -1 : size),
        HttpStatusCode.RequestedRangeNotSatisfiable => Empty,
        _ => null,
    };

    /// <summary>Value of the <c>Range</c> header: <c>bytes=o-</c> or <c>bytes=o-l</c>; null when the whole object is asked for.</summary>
    public static string? Header(long offset, long size) =>
        (offset, size) switch
        {
            (0, 0) => null,
            (_, 0) => $"bytes={offset}-",
            _ => $"bytes={offset}-{(size > long.MaxValue - offset ? long.MaxValue : offset + size - 1)}",
        };
}
