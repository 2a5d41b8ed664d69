using System.Globalization;
using System.Text;

namespace Litestream.Cli.Output;

/// <summary>
/// A table of plain text: columns as wide as their widest cell and two spaces apart, the last one unpadded, widths counted
/// in characters (cli-config-control §2.5).
/// </summary>
internal sealed class TextTable(params string[] header)
{
    private readonly List<string[]> rows = [header];

    public void Add(params string[] cells) => rows.Add(cells);

    public override string ToString()
    {
        int[] widths = [.. Enumerable.Range(0, header.Length).Select(column => rows.Max(row => Width(row[column])))];
        StringBuilder text = new();
        foreach (string[] row in rows)
        {
            for (int column = 0; column < row.Length; column++)
            {
                text.Append(row[column]);
                text.Append(column == row.Length - 1 ? "\n" : new string(' ', widths[column] - Width(row[column]) + 2));
            }
        }

        return text.ToString();
    }

    private static int Width(string cell) => new StringInfo(cell).LengthInTextElements;
}
