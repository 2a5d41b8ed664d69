using System.Globalization;

namespace Litestream.Verify;

/// <summary>The text form of a share: <c>1/24</c> (decision D16).</summary>
public static class VerifyShare
{
    /// <summary>Parses <c>1/N</c>.</summary>
    /// <param name="text">The text.</param>
    /// <returns>N, and null; or what is wrong with the text.</returns>
    public static (int Share, string? Problem) Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.StartsWith("1/", StringComparison.Ordinal)
            && int.TryParse(text.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out int share)
            && share is >= 1 and <= VerifyOptions.MaxShare
            ? (share, null)
            : (1, $"must be 1/N with N from 1 to {VerifyOptions.MaxShare}, for example 1/24");
    }
}
