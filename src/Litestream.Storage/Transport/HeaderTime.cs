using System.Globalization;

namespace Litestream.Storage.Transport;

/// <summary>The time of an LTX header as stores keep it beside the object (backends §1.8).</summary>
public static class HeaderTime
{
    /// <summary>RFC 3339 in UTC, the fraction only as long as needed: <c>2024-01-02T03:04:05.6Z</c>.</summary>
    public static string Format(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);

    /// <summary>Any RFC 3339 time; null if it is missing or is none.</summary>
    public static DateTimeOffset? Parse(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) ? time.ToUniversalTime() : null;
}
