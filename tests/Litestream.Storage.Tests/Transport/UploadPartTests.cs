using CsCheck;
using Litestream.Storage.Transport;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Storage.Tests.Transport;

/// <summary>How a file is cut for a store that takes it in parts (decision D34).</summary>
public sealed class UploadPartTests
{
    private const long MiB = 1 << 20;

    // R2 demands parts of one size; 10,000 of the default size end at 48.8 GiB.
    [Theory]
    [InlineData(48L << 30)]
    [InlineData(49L << 30)]
    [InlineData(500L << 30)]
    [InlineData(5L << 40)]
    public async Task No_default_stops_a_large_file(long bytes)
    {
        long size = UploadPartSize.For(5 * MiB, new Bounded(bytes));
        Assert.InRange(((bytes - 1) / size) + 1, 1, 9000);
        Assert.Equal(0, size % (256 << 10));
        Assert.Equal(bytes <= 9000 * 5 * MiB, size == 5 * MiB);
        LtxUploadHead head = await LtxUploadHead.ReadAsync(new MemoryStream(LtxSample.Create(1, 1)), "test", CancellationToken.None);
        var parts = new PartReader(head, Stream.Null, size, UploadSpool.Temporary);
        Assert.InRange(parts.Concurrency(5) * size, size, Math.Max(size, UploadPartSize.MaxBytesInFlight));
        Assert.Equal((1, size <= 16 * MiB ? 4 : 1), (parts.Concurrency(0), Math.Min(4, parts.Concurrency(5))));
    }

    [Fact]
    public void A_source_of_unknown_length_gets_the_configured_size() =>
        Assert.Equal(6 * MiB, UploadPartSize.For(6 * MiB, new CutStream(new MemoryStream(), 0, new IOException())));

    // With every limit of memory: below a part, above it, and below the piece that is copied at a time.
    [Fact]
    public async Task Parts_are_equal_but_the_last_and_hold_every_byte_in_memory_or_in_a_file()
    {
        await Gen.Select(Gen.Int[124, 4000], Gen.Int[60, 900], Gen.Int[1, 1000]).SampleAsync(async (length, partSize, limit) =>
        {
            byte[] content = LtxSample.Create(1, 1, length);
            var pool = new CountingPool();
            var files = new MemoryFileSystem();
            using var source = new MemoryStream(content);
            LtxUploadHead head = await LtxUploadHead.ReadAsync(source, "test", CancellationToken.None);
            var reader = new PartReader(head, source, partSize, new UploadSpool(files, "/state") { MemoryLimit = limit, Pool = pool });
            var all = new MemoryStream();
            int number = 0;
            bool last = false;
            while (await reader.NextAsync(CancellationToken.None) is { } part)
            {
                using (part)
                {
                    Assert.False(last);
                    last = part.IsLast;
                    Assert.Equal(++number, part.Number);
                    Assert.True(last ? part.Length <= partSize : part.Length == partSize);
                    Assert.Equal(part.Length > limit ? (1, 0L) : (0, pool.Held), (files.OpenFiles, pool.Held));
                    byte[] bytes = Read(part);
                    Assert.Equal(part.Length, bytes.Length);
                    Assert.Equal(bytes, Read(part));
                    Assert.Equal(bytes[(bytes.Length / 3)..], Read(part, bytes.Length / 3));
                    all.Write(bytes);
                }
            }

            Assert.True(last);
            Assert.Equal(content, all.ToArray());
            Assert.Equal(content.Length, reader.Tap.Length);
            Assert.Equal(content[^16..], reader.Tap.Last.ToArray());
            Assert.Equal((0, 0), (pool.Held, files.OpenFiles));
        });
    }

    [Fact]
    public async Task What_is_only_read_to_its_end_needs_neither_memory_nor_a_file()
    {
        byte[] content = LtxSample.Create(1, 1, 3 << 20);
        var pool = new CountingPool();
        var files = new FaultyFileSystem(new MemoryFileSystem());
        using var source = new MemoryStream(content);
        PartReader reader = new(
            await LtxUploadHead.ReadAsync(source, "test", CancellationToken.None), source, 1 << 20, new UploadSpool(files, "/state") { MemoryLimit = 1 << 20, Pool = pool });
        using (await reader.NextAsync(CancellationToken.None))
        {
        }

        await reader.ReadToEndAsync(CancellationToken.None);
        Assert.Null(await reader.NextAsync(CancellationToken.None));
        Assert.Equal(content.Length, reader.Tap.Length);
        Assert.Equal(content[^16..], reader.Tap.Last.ToArray());
        Assert.Equal((0, 0), (files.Count(FileOperation.Create), pool.Held));
    }

    [Fact]
    public async Task The_failure_of_a_part_is_what_is_reported_and_nothing_is_sent_behind_it()
    {
        byte[] content = LtxSample.Create(1, 1, 10_000);
        using var source = new MemoryStream(content);
        var reader = new PartReader(await LtxUploadHead.ReadAsync(source, "test", CancellationToken.None), source, 1000, UploadSpool.Temporary);
        UploadPart first = (await reader.NextAsync(CancellationToken.None))!;
        int running = 0;
        IOException error = await Assert.ThrowsAsync<IOException>(() => PartedUpload.RunAsync(reader, first, 3, async (part, token) =>
        {
            Interlocked.Increment(ref running);
            try
            {
                if (part.Number == 2)
                {
                    throw new IOException("part 2");
                }

                await Task.Delay(Timeout.InfiniteTimeSpan, token);
            }
            finally
            {
                Interlocked.Decrement(ref running);
            }
        }, CancellationToken.None));
        Assert.Equal(("part 2", 0), (error.Message, running));
    }

    // A request that was stopped tells of its last answer, not of the stop: what came first is the cause.
    [Fact]
    public async Task The_failure_of_the_source_is_what_is_reported_and_not_that_of_a_part_that_was_stopped_for_it()
    {
        var source = new CutStream(new MemoryStream(LtxSample.Create(1, 1, 10_000)), 2500, new IOException("the source"));
        var reader = new PartReader(await LtxUploadHead.ReadAsync(source, "test", CancellationToken.None), source, 1000, UploadSpool.Temporary);
        UploadPart first = (await reader.NextAsync(CancellationToken.None))!;
        IOException error = await Assert.ThrowsAsync<IOException>(() => PartedUpload.RunAsync(reader, first, 3, async (_, token) =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw new IOException("503");
        }, CancellationToken.None));
        Assert.Equal("the source", error.Message);
    }

    [Fact]
    public void The_last_bytes_are_kept_however_they_come()
    {
        Gen.Int[0, 40].Array[0, 30].Sample(pieces =>
        {
            var tap = new TrailerTap();
            var all = new List<byte>();
            foreach (int length in pieces)
            {
                byte[] piece = [.. Enumerable.Range(all.Count, length).Select(n => (byte)n)];
                all.AddRange(piece);
                tap.Add(piece);
            }

            Assert.Equal(all.TakeLast(16), tap.Last.ToArray());
            Assert.Equal(all.Count, tap.Length);
        });
    }

    private static byte[] Read(UploadBytes bytes, long from = 0) => [.. bytes.Slices(from).SelectMany(slice => slice.ToArray())];

    private sealed class Bounded(long bytes) : MemoryStream, ILengthBound
    {
        public long MaxLength => bytes;
    }
}
