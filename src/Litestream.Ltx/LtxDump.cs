using System.Globalization;

namespace Litestream.Ltx;

/// <summary>Prints everything in an LTX file as text, in the form of upstream's <c>ltx dump</c> (ltx-format §17).</summary>
public static class LtxDump
{
    private const int RowSize = 16;

    /// <summary>Prints one file. What can be read is printed before an error is thrown, a bad header or trailer included.</summary>
    /// <param name="source">The file from its first byte on; stays open.</param>
    /// <param name="output">Where the text goes; lines end with a line feed.</param>
    /// <param name="name">Name of the file for messages.</param>
    /// <exception cref="LtxException">The file is damaged or cut.</exception>
    public static void Write(Stream source, TextWriter output, string? name = null)
    {
        var start = new byte[LtxFormat.HeaderSize];
        int length = source.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        WriteHeader(LtxHeader.Peek(start.AsSpan(0, length), name), output);

        using var reader = new LtxReader(new PrependedStream(start, source), name, leaveOpen: true);
        reader.ReadHeader();
        WriteFrames(reader, output);
        try
        {
            reader.Finish();
        }
        finally
        {
            WriteTrailer(reader.Trailer, output);
        }
    }

    /// <summary>A moment as RFC 3339 text, UTC, with as many fractional digits as needed.</summary>
    /// <param name="milliseconds">Milliseconds since the Unix epoch, any value.</param>
    /// <param name="format">Format of the date and time.</param>
    internal static string FormatTime(long milliseconds, string format)
    {
        bool inRange = milliseconds >= DateTimeOffset.MinValue.ToUnixTimeMilliseconds() && milliseconds <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();
        return inRange
            ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString(format, CultureInfo.InvariantCulture)
            : "out of range";
    }

    private static void WriteHeader(in LtxHeader header, TextWriter output)
    {
        string time = FormatTime(header.Timestamp, "yyyy-MM-dd'T'HH:mm:ss.FFF'Z'");
        Line(output, $"# HEADER");
        Line(output, $"Version:   3");
        Line(output, $"Flags:     0x{header.Flags:x8}");
        Line(output, $"Page size: {header.PageSize}");
        Line(output, $"Commit:    {header.Commit}");
        Line(output, $"Min TXID:  {header.MinTxid} ({header.MinTxid.Value})");
        Line(output, $"Max TXID:  {header.MaxTxid} ({header.MaxTxid.Value})");
        Line(output, $"Timestamp: {time} ({header.Timestamp})");
        Line(output, $"Pre-apply: {header.PreApplyChecksum:x16}");
        Line(output, $"WAL offset: {header.WalOffset}");
        Line(output, $"WAL size:   {header.WalSize}");
        Line(output, $"WAL salt:   {header.WalSalt1:x8} {header.WalSalt2:x8}");
        Line(output, $"");
    }

    private static void WriteFrames(LtxReader reader, TextWriter output)
    {
        Line(output, $"# PAGE DATA");
        for (long i = 0; reader.ReadPage(); i++)
        {
            Line(output, $"Frame #{i}: pgno={reader.PageNumber}");
            WriteHex(reader.Page, output);
            Line(output, $"");
        }

        Line(output, $"");
    }

    private static void WriteTrailer(in LtxTrailer trailer, TextWriter output)
    {
        Line(output, $"# TRAILER");
        Line(output, $"Post-apply:    {trailer.PostApplyChecksum:x16}");
        Line(output, $"File Checksum: {trailer.FileChecksum:x16}");
        Line(output, $"");
    }

    private static void WriteHex(ReadOnlySpan<byte> page, TextWriter output)
    {
        Span<char> line = stackalloc char[80];
        bool skipping = false;
        for (int at = 0; at < page.Length; at += RowSize)
        {
            ReadOnlySpan<byte> row = page.Slice(at, RowSize);
            bool edge = at == 0 || at + RowSize == page.Length;

            // A skipped row equals the last printed one, so comparing with the row before is the same.
            if (!edge && row.SequenceEqual(page.Slice(at - RowSize, RowSize)))
            {
                if (!skipping)
                {
                    Line(output, $"***");
                }

                skipping = true;
                continue;
            }

            skipping = false;
            output.Write(line[..FormatRow(at, row, line)]);
            output.Write('\n');
        }
    }

    private static int FormatRow(int offset, ReadOnlySpan<byte> row, Span<char> line)
    {
        offset.TryFormat(line, out int used, "x8", CultureInfo.InvariantCulture);
        for (int i = 0; i < row.Length; i++)
        {
            used = Append(line, used, i % (RowSize / 2) == 0 ? "  " : " ");
            row[i].TryFormat(line[used..], out int digits, "x2", CultureInfo.InvariantCulture);
            used += digits;
        }

        used = Append(line, used, "  |");
        foreach (byte b in row)
        {
            line[used++] = b is >= 32 and <= 126 ? (char)b : '.';
        }

        return Append(line, used, "|");
    }

    private static int Append(Span<char> line, int used, string text)
    {
        text.CopyTo(line[used..]);
        return used + text.Length;
    }

    // Upstream's lines end with a line feed on every system.
    private static void Line(TextWriter output, FormattableString text)
    {
        output.Write(text.ToString(CultureInfo.InvariantCulture));
        output.Write('\n');
    }
}
