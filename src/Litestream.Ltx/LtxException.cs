using System.Globalization;
using System.Text;

namespace Litestream.Ltx;

/// <summary>An LTX file is damaged, incomplete, or does not fit where it is used. The message names file, page and offset.</summary>
public sealed class LtxException : IOException
{
    /// <summary>Describes one defect.</summary>
    /// <param name="kind">The class of the defect.</param>
    /// <param name="detail">What was expected and what was found.</param>
    /// <param name="file">Name of the file, when known.</param>
    /// <param name="pageNumber">The page concerned, or 0.</param>
    /// <param name="offset">Byte offset in the file, or -1.</param>
    public LtxException(LtxErrorKind kind, string detail, string? file = null, uint pageNumber = 0, long offset = -1)
        : base(Describe(detail, file, pageNumber, offset))
    {
        Kind = kind;
        FileName = file;
        PageNumber = pageNumber;
        Offset = offset;
    }

    /// <summary>The class of the defect.</summary>
    public LtxErrorKind Kind { get; }

    /// <summary>Name of the file, when known.</summary>
    public string? FileName { get; }

    /// <summary>The page concerned, or 0.</summary>
    public uint PageNumber { get; }

    /// <summary>Byte offset in the file, or -1.</summary>
    public long Offset { get; }

    private static string Describe(string detail, string? file, uint pageNumber, long offset)
    {
        var text = new StringBuilder(file is null ? "LTX file" : $"LTX file {file}");
        if (pageNumber != 0)
        {
            text.Append(CultureInfo.InvariantCulture, $", page {pageNumber}");
        }

        if (offset >= 0)
        {
            text.Append(CultureInfo.InvariantCulture, $", offset {offset}");
        }

        return text.Append(": ").Append(detail).ToString();
    }
}
