namespace Litestream.Ltx.Tests;

public sealed class LtxParallelWriterTests
{
    /// <summary>Page counts around one batch, and some batches; page sizes with many pages a batch, and the largest.</summary>
    [Theory]
    [InlineData(512, 1)]
    [InlineData(512, 2000)]
    [InlineData(4096, 63)]
    [InlineData(4096, 64)]
    [InlineData(4096, 65)]
    [InlineData(4096, 700)]
    [InlineData(65536, 1)]
    [InlineData(65536, 4)]
    [InlineData(65536, 41)]
    public void FileIsTheSameByteForByte(int pageSize, int count)
    {
        (uint Number, byte[] Page)[] pages = [.. Enumerable.Range(1, count).Select(i => ((uint)i, i % 5 == 0 ? TestFiles.Random(pageSize, i) : PropertyTests.Page(new Random(i), pageSize)))];
        foreach (uint flags in new[] { LtxFormat.NoChecksum, 0u })
        {
            LtxHeader header = TestFiles.Header(pageSize, (uint)count, flags: flags);
            byte[] expected = Write(header, pages, isParallel: false);
            Assert.Equal(expected, Write(header, pages, isParallel: true));
        }
    }

    [Fact]
    public void PageThatMustNotComeHere_FailsAtTheLatestWhenAllAreComplete()
    {
        using var writer = new LtxWriter(new MemoryStream(), TestFiles.Header(4096, commit: 100));
        using var parallel = new LtxParallelWriter(writer);
        parallel.WritePage(1, new byte[4096]);
        parallel.WritePage(3, new byte[4096]);
        LtxException failure = Assert.Throws<LtxException>(parallel.Complete);
        Assert.Contains("page 3", failure.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => writer.Finish());
    }

    [Fact]
    public void PageOfAnotherSize_IsRefused()
    {
        using var writer = new LtxWriter(new MemoryStream(), TestFiles.Header(4096, commit: 2));
        using var parallel = new LtxParallelWriter(writer);
        Assert.Throws<ArgumentException>(() => parallel.WritePage(1, new byte[512]));
    }

    /// <summary>A destination that fails (full disk, a client that gave up) ends the writing; disposing neither hangs nor hides it.</summary>
    [Fact]
    public void FailingDestination_IsSeenWhileWriting()
    {
        using var writer = new LtxWriter(new FullStream(300_000), TestFiles.Header(4096, commit: 10_000));
        using var parallel = new LtxParallelWriter(writer);
        Assert.Throws<IOException>(() =>
        {
            for (uint page = 1; page <= 10_000; page++)
            {
                parallel.WritePage(page, TestFiles.Random(4096, (int)page));
            }
        });
    }

    /// <summary>All threads of the pool may be waiting for batches of their own: nobody waits for ever.</summary>
    [Fact]
    public void ManyAtOnce_DoNotStarveEachOther()
    {
        byte[][] pages = [.. Enumerable.Range(0, 64).Select(i => PropertyTests.Page(new Random(i), 4096))];
        LtxHeader header = TestFiles.Header(4096, commit: 640);
        byte[][] files = new byte[8 * Environment.ProcessorCount][];
        Parallel.For(0, files.Length, new ParallelOptions { MaxDegreeOfParallelism = files.Length }, i =>
            files[i] = Write(header, Enumerable.Range(0, 640).Select(page => ((uint)page + 1, pages[page % 64])), isParallel: true));
        Assert.All(files, file => Assert.Equal(files[0], file));
    }

    private static byte[] Write(in LtxHeader header, IEnumerable<(uint Number, byte[] Page)> pages, bool isParallel)
    {
        var output = new MemoryStream();
        using var writer = new LtxWriter(output, header, leaveOpen: true);
        using (var parallel = new LtxParallelWriter(writer))
        {
            foreach ((uint number, byte[] page) in pages)
            {
                if (isParallel)
                {
                    parallel.WritePage(number, page);
                }
                else
                {
                    writer.WritePage(number, page);
                }
            }

            parallel.Complete();
        }

        writer.Finish(header.TracksChecksums ? writer.RollingChecksum : 0);
        return output.ToArray();
    }

    private sealed class FullStream(long room) : MemoryStream
    {
        public override void Write(byte[] buffer, int offset, int count)
        {
            if (Length + count > room)
            {
                throw new IOException("no space left");
            }

            base.Write(buffer, offset, count);
        }
    }
}
