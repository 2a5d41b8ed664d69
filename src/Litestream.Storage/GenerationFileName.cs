using System.Buffers;
using System.Globalization;

namespace Litestream.Storage;

/// <summary>Names in a v0.3 replica (store-and-restore §13.1, trap V5).</summary>
public static class GenerationFileName
{
    private static readonly SearchValues<char> LowerHexDigits = SearchValues.Create("0123456789abcdef");

    private const string SnapshotSuffix = ".snapshot.lz4";
    private const string SegmentSuffix = ".wal.lz4";
    private const int IndexLength = 8;
    private const int MaxOffsetLength = 16;

    /// <summary>Whether a directory name is a generation: exactly 16 lower-case hex digits.</summary>
    public static bool IsGeneration(ReadOnlySpan<char> name) => name.Length == 16 && IsLowerHex(name);

    /// <summary>Recognises <c>&lt;index&gt;.snapshot.lz4</c>.</summary>
    public static bool TryParseSnapshot(ReadOnlySpan<char> name, out int index)
    {
        index = 0;
        return name.EndsWith(SnapshotSuffix, StringComparison.Ordinal) && TryParseIndex(name[..^SnapshotSuffix.Length], out index);
    }

    /// <summary>Recognises <c>&lt;index&gt;_&lt;offset&gt;.wal.lz4</c>; the offset has 8 to 16 digits (behind 4 GiB more than 8).</summary>
    public static bool TryParseSegment(ReadOnlySpan<char> name, out int index, out long offset)
    {
        index = 0;
        offset = 0;
        if (!name.EndsWith(SegmentSuffix, StringComparison.Ordinal))
        {
            return false;
        }

        ReadOnlySpan<char> stem = name[..^SegmentSuffix.Length];
        if (stem.Length is < IndexLength + 1 + IndexLength or > IndexLength + 1 + MaxOffsetLength || stem[IndexLength] != '_')
        {
            return false;
        }

        ReadOnlySpan<char> digits = stem[(IndexLength + 1)..];
        return TryParseIndex(stem[..IndexLength], out index)
            && IsLowerHex(digits)
            && long.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out offset)
            && offset >= 0;
    }

    /// <summary>An index above 0x7fffffff is no index.</summary>
    private static bool TryParseIndex(ReadOnlySpan<char> digits, out int index)
    {
        index = 0;
        return digits.Length == IndexLength
            && IsLowerHex(digits)
            && int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out index)
            && index >= 0;
    }

    private static bool IsLowerHex(ReadOnlySpan<char> text) => !text.ContainsAnyExcept(LowerHexDigits);
}
