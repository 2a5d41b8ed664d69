using System.Globalization;
using Litestream.Ltx;

namespace Litestream.Scenarios;

/// <summary>Finds which commit of a paced writer an L0 file reaches: each row version carries "SEQ:number;".</summary>
internal static class CommitMarks
{
    /// <summary>The highest sequence number in the file's pages; -1 if there is none.</summary>
    public static long Highest(string path)
    {
        using var reader = new LtxReader(File.OpenRead(path), path);
        reader.ReadHeader();
        long highest = -1;
        while (reader.ReadPage())
        {
            ReadOnlySpan<byte> page = reader.Page;
            for (int at; (at = page.IndexOf("SEQ:"u8)) >= 0 && page.Length >= at + 16; page = page[(at + 4)..])
            {
                if (long.TryParse(page.Slice(at + 4, 12), NumberStyles.None, CultureInfo.InvariantCulture, out long sequence))
                {
                    highest = Math.Max(highest, sequence);
                }
            }
        }

        return highest;
    }
}
