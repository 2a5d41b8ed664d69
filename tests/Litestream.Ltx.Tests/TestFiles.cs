namespace Litestream.Ltx.Tests;

/// <summary>Builds and reads small LTX files in memory.</summary>
internal static class TestFiles
{
    internal static LtxHeader Header(int pageSize = 512, uint commit = 2, ulong min = 1, ulong max = 1, uint flags = LtxFormat.NoChecksum) => new()
    {
        Flags = flags,
        PageSize = pageSize,
        Commit = commit,
        MinTxid = new Txid(min),
        MaxTxid = new Txid(max),
        Timestamp = 1700000000000,
    };

    internal static byte[] Build(in LtxHeader header, IEnumerable<(uint Number, byte[] Page)> pages, ulong postApply = 0)
    {
        using var output = new MemoryStream();
        using var writer = new LtxWriter(output, header);
        foreach ((uint number, byte[] page) in pages)
        {
            writer.WritePage(number, page);
        }

        long size = writer.Finish(postApply);
        Assert.Equal(output.Length, size);
        return output.ToArray();
    }

    internal static byte[] Filled(int size, byte value)
    {
        var page = new byte[size];
        page.AsSpan().Fill(value);
        return page;
    }

    internal static byte[] Random(int size, int seed)
    {
        var page = new byte[size];
        new Random(seed).NextBytes(page);
        return page;
    }

    /// <summary>Reads a file to its end with all checks and returns its pages.</summary>
    internal static (LtxHeader Header, List<(uint Number, byte[] Page)> Pages, LtxTrailer Trailer) ReadAll(byte[] file)
    {
        using var reader = new LtxReader(new MemoryStream(file));
        LtxHeader header = reader.ReadHeader();
        var pages = new List<(uint, byte[])>();
        while (reader.ReadPage())
        {
            pages.Add((reader.PageNumber, reader.Page.ToArray()));
        }

        return (header, pages, reader.Finish());
    }

    /// <summary>Same pages with the same content; tuples of arrays would be compared by reference.</summary>
    internal static void AssertSame(IEnumerable<(uint Number, byte[] Page)> expected, IEnumerable<(uint Number, byte[] Page)> actual) =>
        Assert.Equal(
            expected.Select(p => $"{p.Number}: {Convert.ToHexStringLower(p.Page)}"),
            actual.Select(p => $"{p.Number}: {Convert.ToHexStringLower(p.Page)}"));
}
