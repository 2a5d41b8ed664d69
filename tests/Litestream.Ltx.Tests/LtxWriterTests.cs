namespace Litestream.Ltx.Tests;

public sealed class LtxWriterTests
{
    [Fact]
    public void PagesComeBackAsWritten()
    {
        (uint, byte[])[] pages = [(1, TestFiles.Random(4096, 1)), (2, new byte[4096]), (3, TestFiles.Filled(4096, 7))];
        byte[] file = TestFiles.Build(TestFiles.Header(4096, commit: 3), pages);
        TestFiles.AssertSame(pages, TestFiles.ReadAll(file).Pages);
    }

    [Fact]
    public void CopiedBlocks_GiveTheSameFileAsCompressedPages()
    {
        byte[] page = TestFiles.Random(512, 3);
        LtxHeader header = TestFiles.Header(commit: 1);
        byte[] expected = TestFiles.Build(header, [(1, page)]);
        var block = new byte[LtxFormat.MaxBlockSize(512)];
        int length = LtxBlock.Compress(page, block);
        var output = new MemoryStream();
        using (var writer = new LtxWriter(output, header))
        {
            writer.WriteBlock(1, block.AsSpan(0, length), page);
            writer.Finish();
        }

        Assert.Equal(expected, output.ToArray());
    }
}
