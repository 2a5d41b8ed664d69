using System.Globalization;

namespace Litestream.Ltx;

/// <summary>The table of upstream's <c>ltx list</c>: one row per verified file (ltx-format §17).</summary>
public sealed class LtxTable
{
    private readonly List<string[]> rows =
        [["min_txid", "max_txid", "commit", "pages", "preapply", "postapply", "timestamp", "wal_offset", "wal_size", "wal_salt"]];

    /// <summary>Adds a file.</summary>
    /// <param name="file">From <see cref="LtxReader.VerifyAsync"/>.</param>
    public void Add(in LtxVerifyResult file)
    {
        LtxHeader header = file.Header;
        rows.Add([
            header.MinTxid.ToString(),
            header.MaxTxid.ToString(),
            header.Commit.ToString(CultureInfo.InvariantCulture),
            file.PageCount.ToString(CultureInfo.InvariantCulture),
            header.PreApplyChecksum.ToString("x16", CultureInfo.InvariantCulture),
            file.Trailer.PostApplyChecksum.ToString("x16", CultureInfo.InvariantCulture),
            header.Timestamp == 0 ? "" : LtxDump.FormatTime(header.Timestamp, "yyyy-MM-dd'T'HH:mm:ss'Z'"),
            header.WalOffset.ToString(CultureInfo.InvariantCulture),
            header.WalSize.ToString(CultureInfo.InvariantCulture),
            string.Create(CultureInfo.InvariantCulture, $"{header.WalSalt1:x8} {header.WalSalt2:x8}"),
        ]);
    }

    /// <summary>Prints the column names and all rows; lines end with a line feed.</summary>
    /// <param name="output">Where the text goes.</param>
    /// <param name="tabs">Separate columns by one tab instead of padding them to the widest cell plus two spaces.</param>
    public void WriteTo(TextWriter output, bool tabs)
    {
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length) + 2)];
        foreach (string[] row in rows)
        {
            for (int column = 0; column < row.Length; column++)
            {
                bool last = column == row.Length - 1;
                output.Write(last || tabs ? row[column] : row[column].PadRight(widths[column]));
                output.Write(last ? "\n" : tabs ? "\t" : "");
            }
        }
    }
}
