namespace Litestream.Ltx.Tests;

public sealed class InspectionTests
{
    private const string Row11 = "11 11 11 11 11 11 11 11  11 11 11 11 11 11 11 11  |................|";
    private const string Row22 = "22 22 22 22 22 22 22 22  22 22 22 22 22 22 22 22  |\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"|";

    private static readonly string Example1 = $"""
        # HEADER
        Version:   3
        Flags:     0x00000000
        Page size: 512
        Commit:    2
        Min TXID:  0000000000000001 (1)
        Max TXID:  0000000000000001 (1)
        Timestamp: 2023-11-14T22:13:20Z (1700000000000)
        Pre-apply: 0000000000000000
        WAL offset: 0
        WAL size:   0
        WAL salt:   00000000 00000000

        # PAGE DATA
        Frame #0: pgno=1
        00000000  {Row11}
        ***
        000001f0  {Row11}

        Frame #1: pgno=2
        00000000  {Row22}
        ***
        000001f0  {Row22}


        # TRAILER
        Post-apply:    a2d3ccd000000000
        File Checksum: c698efe247404f91


        """.ReplaceLineEndings("\n");

    [Fact]
    public void Dump_OfExample1_IsTheTextOfTheSpecification()
    {
        var text = new StringWriter();
        LtxDump.Write(new MemoryStream(Fixtures.Read("valid/snapshot-512-2p.ltx")), text);
        Assert.Equal(Example1, text.ToString());
    }

    [Fact]
    public void Dump_OfABadHeader_ShowsItBeforeFailing()
    {
        var text = new StringWriter();
        LtxException error = Assert.Throws<LtxException>(() => LtxDump.Write(new MemoryStream(Fixtures.Read("corrupt/min-txid-zero.ltx")), text));
        Assert.Equal(LtxErrorKind.HeaderInvalid, error.Kind);
        Assert.Contains("Min TXID:  0000000000000000 (0)\n", text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Dump_OfABadTrailer_ShowsItBeforeFailing()
    {
        var text = new StringWriter();
        LtxException error = Assert.Throws<LtxException>(() => LtxDump.Write(new MemoryStream(Fixtures.Read("corrupt/file-checksum-bad.ltx")), text));
        Assert.Equal(LtxErrorKind.FileChecksum, error.Kind);
        Assert.Contains("# TRAILER\nPost-apply:    a2d3ccd000000000\n", text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Dump_ShowsFractionsOnlyWhenThereAreAny()
    {
        var text = new StringWriter();
        LtxDump.Write(new MemoryStream(Fixtures.Read("valid/incremental-512-1p.ltx")), text);
        Assert.Contains("Timestamp: 2023-11-14T22:13:21.5Z (1700000001500)\n", text.ToString(), StringComparison.Ordinal);
    }

    // A timestamp is any 64-bit number in the file; dumping it must not crash.
    [Theory]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    public void Dump_SurvivesAnyTimestamp(long timestamp)
    {
        byte[] file = TestFiles.Build(TestFiles.Header(commit: 1) with { Timestamp = timestamp }, [(1, new byte[512])]);
        var text = new StringWriter();
        LtxDump.Write(new MemoryStream(file), text);
        Assert.Contains($"Timestamp: out of range ({timestamp})\n", text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Table_ListsFilesPaddedOrWithTabs()
    {
        var table = new LtxTable();
        table.Add(await LtxReader.VerifyAsync(new MemoryStream(Fixtures.Read("valid/incremental-512-1p.ltx"))));
        var tabs = new StringWriter();
        table.WriteTo(tabs, tabs: true);
        Assert.Equal(
            "min_txid\tmax_txid\tcommit\tpages\tpreapply\tpostapply\ttimestamp\twal_offset\twal_size\twal_salt\n" +
            "0000000000000002\t0000000000000002\t2\t1\ta2d3ccd000000000\tb7926a1927bb5c9f\t2023-11-14T22:13:21Z\t32\t536\t11223344 55667788\n",
            tabs.ToString());
        var padded = new StringWriter();
        table.WriteTo(padded, tabs: false);
        Assert.StartsWith("min_txid          max_txid          commit  pages  preapply          postapply", padded.ToString(), StringComparison.Ordinal);
    }
}
