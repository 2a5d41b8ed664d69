using System.Security.Cryptography;
using CsCheck;
using Litestream.Storage.Transport;
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
    public void No_default_stops_a_large_file(long bytes)
    {
        long size = UploadPartSize.For(5 * MiB, new Bounded(bytes));
        Assert.InRange(((bytes - 1) / size) + 1, 1, 9000);
        Assert.Equal(0, size % (256 << 10));
        Assert.Equal(bytes <= 9000 * 5 * MiB, size == 5 * MiB);
        Assert.InRange(UploadPartSize.Concurrency(5, size) * size, size, Math.Max(size, UploadPartSize.MaxBytesInFlight));
    }

    [Fact]
    public void A_source_of_unknown_length_gets_the_configured_size() =>
        Assert.Equal(6 * MiB, UploadPartSize.For(6 * MiB, new CutStream(new MemoryStream(), 0, new IOException())));

    [Fact]
    public async Task Parts_are_equal_but_the_last_and_hold_every_byte()
    {
        await Gen.Select(Gen.Int[100, 4000], Gen.Int[100, 900]).SampleAsync(async (length, partSize) =>
        {
            byte[] content = LtxSample.Create(1, 1, Math.Max(length, 124));
            using var source = new MemoryStream(content);
            LtxUploadHead head = await LtxUploadHead.ReadAsync(source, "test", CancellationToken.None);
            var reader = new PartReader(head, source, partSize);
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
                    Assert.True(last ? part.Bytes.Length <= partSize : part.Bytes.Length == partSize);
                    all.Write(part.Bytes.Span);
                }
            }

            Assert.True(last);
            Assert.Equal(SHA256.HashData(content), SHA256.HashData(all.ToArray()));
        });
    }

    [Fact]
    public async Task The_failure_of_a_part_is_what_is_reported_and_nothing_is_sent_behind_it()
    {
        byte[] content = LtxSample.Create(1, 1, 10_000);
        using var source = new MemoryStream(content);
        var reader = new PartReader(await LtxUploadHead.ReadAsync(source, "test", CancellationToken.None), source, 1000);
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

    private sealed class Bounded(long bytes) : MemoryStream, ILengthBound
    {
        public long MaxLength => bytes;
    }
}
