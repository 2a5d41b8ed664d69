using Litestream.Ltx;

namespace Litestream.Tests.Support;

/// <summary>Applies level-0 files one after the other, as a reader that knows nothing of plans: the state at every TXID.</summary>
internal static class Chain
{
    /// <summary>Image after each transaction, keyed by TXID. A file of another page size starts anew only if it holds every page.</summary>
    public static SortedDictionary<ulong, byte[]> States(string levelZero)
    {
        var states = new SortedDictionary<ulong, byte[]>();
        byte[] image = [];
        int pageSize = 0;
        foreach (string path in Directory.GetFiles(levelZero, "*.ltx").Order(StringComparer.Ordinal))
        {
            using var stream = File.OpenRead(path);
            using var reader = new LtxReader(stream, path);
            LtxHeader header = reader.ReadHeader();
            if (pageSize != header.PageSize)
            {
                image = [];
                pageSize = header.PageSize;
            }

            byte[] next = new byte[(long)header.Commit * pageSize];
            image.AsSpan(0, Math.Min(image.Length, next.Length)).CopyTo(next);
            while (reader.ReadPage())
            {
                reader.Page.CopyTo(next.AsSpan((int)((reader.PageNumber - 1) * (long)pageSize)));
            }

            reader.Finish();
            states[header.MaxTxid.Value] = image = next;
        }

        return states;
    }

    /// <summary>The image in one file that holds every page.</summary>
    public static byte[] StateOf(string path)
    {
        using var stream = File.OpenRead(path);
        using var reader = new LtxReader(stream, path);
        LtxHeader header = reader.ReadHeader();
        byte[] image = new byte[(long)header.Commit * header.PageSize];
        while (reader.ReadPage())
        {
            reader.Page.CopyTo(image.AsSpan((int)((reader.PageNumber - 1) * (long)header.PageSize)));
        }

        reader.Finish();
        return image;
    }

    /// <summary>Headers of all files, ascending.</summary>
    public static List<LtxHeader> Headers(string levelZero) =>
        [.. Directory.GetFiles(levelZero, "*.ltx").Order(StringComparer.Ordinal).Select(path => LtxHeader.Parse(File.ReadAllBytes(path).AsSpan(0, 100)))];

    /// <summary>Number of pages in a file.</summary>
    public static long PageCount(string path)
    {
        using var stream = File.OpenRead(path);
        using var reader = new LtxReader(stream, path);
        reader.ReadHeader();
        while (reader.ReadPage())
        {
        }

        return reader.PageCount;
    }
}
