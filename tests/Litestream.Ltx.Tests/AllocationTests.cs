namespace Litestream.Ltx.Tests;

/// <summary>Nothing is allocated per page. Without this, garbage collection would decide the speed of restore and snapshot.</summary>
public sealed class AllocationTests
{
    private static readonly byte[][] Pages = [.. Enumerable.Range(0, 64).Select(i => PropertyTests.Page(new Random(i), 4096))];

    [Fact]
    public void Blocks_AllocateNothing()
    {
        var block = new byte[LtxFormat.MaxBlockSize(4096)];
        var page = new byte[4096];
        long Round()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            foreach (byte[] source in Pages)
            {
                LtxBlock.Decompress(block.AsSpan(0, LtxBlock.Compress(source, block)), page);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Round();
        Assert.Equal(0, Round());
    }

    [Fact]
    public void WriterAndReader_AllocateTheSameForAnyNumberOfPages()
    {
        var output = new MemoryStream(4 << 20);
        var page = new byte[4096];
        long Round(uint count)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            output.SetLength(0);
            using (var writer = new LtxWriter(output, TestFiles.Header(4096, count), leaveOpen: true))
            {
                for (uint i = 1; i <= count; i++)
                {
                    writer.WritePage(i, Pages[i % 64]);
                }

                writer.Finish();
            }

            output.Position = 0;
            using var reader = new LtxReader(output, leaveOpen: true);
            reader.ReadHeader();
            while (true)
            {
                ValueTask<bool> read = reader.ReadPageAsync();
                Assert.True(read.IsCompleted);
                if (!read.Result)
                {
                    break;
                }

                reader.DecompressTo(page);
            }

            reader.Finish();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Round(600);
        Round(600);
        long few = Round(100);

        // Checkpoints of the index grow by 24 bytes each 64 pages, in a doubling list.
        Assert.InRange(Round(600) - few, 0, 2048);
    }
}
