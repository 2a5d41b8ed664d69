using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>The memory of the process is measured, so nothing else may run meanwhile.</summary>
[CollectionDefinition(nameof(S3MemoryTests), DisableParallelization = true)]
public sealed class S3MemoryGroup : ICollectionFixture<SwiftServer>;

/// <summary>What uploads cost in memory.</summary>
[Collection(nameof(S3MemoryTests))]
public sealed class S3MemoryTests(SwiftServer server)
{
    [Fact]
    public async Task Two_hundred_mebibytes_go_up_in_bounded_memory()
    {
        await using S3ReplicaClient client = server.CreateClient();
        await FakeS3.WriteAsync(client, 9, 6 << 20);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var source = new EndlessLtx(200L << 20);
        LtxFileInfo info = await client.WriteAsync(9, new Txid(1), new Txid(1), source, WriteMode.Overwrite, CancellationToken.None);
        Assert.Equal(200L << 20, info.Size);
        Assert.Equal(200L << 20, Assert.Single(await FakeS3.ListAsync(client, level: 9)).Size);

        // Five parts of 5 MiB in buffers of 8, and one being filled.
        Assert.True(source.MostMemory - before < 100L << 20, $"{(source.MostMemory - before) >> 20} MiB of managed memory");
        await client.DeleteAllAsync(CancellationToken.None);
    }

    [Fact]
    public async Task A_small_file_costs_no_buffer_of_a_part()
    {
        await using S3ReplicaClient client = server.CreateClient();
        byte[] content = LtxSample.Create(1, 1, 1000);
        for (int i = 0; i < 20; i++)
        {
            await client.WriteAsync(0, new Txid(1), new Txid(1), new MemoryStream(content), WriteMode.Overwrite, CancellationToken.None);
        }

        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < 20; i++)
        {
            await client.WriteAsync(0, new Txid(1), new Txid(1), new MemoryStream(content), WriteMode.Overwrite, CancellationToken.None);
        }

        long perWrite = (GC.GetTotalAllocatedBytes(precise: true) - before) / 20;
        Assert.True(perWrite < 1 << 20, $"{perWrite} bytes per write");
    }

    /// <summary>A header and then zeros, of unknown length; looks at the memory in use on the way.</summary>
    private sealed class EndlessLtx(long size) : Stream
    {
        private const long SampleBytes = 16 << 20;

        private readonly byte[] _head = LtxSample.Create(1, 1);
        private long _position;

        public long MostMemory { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            int count = (int)Math.Min(buffer.Length, size - _position);
            buffer[..count].Clear();
            if (_position < _head.Length)
            {
                _head.AsSpan((int)_position, (int)Math.Min(count, _head.Length - _position)).CopyTo(buffer);
            }

            _position += count;
            if (_position / SampleBytes != (_position - count) / SampleBytes)
            {
                // What is held, not what waits to be collected: other tests have left their garbage in this process.
                MostMemory = Math.Max(MostMemory, GC.GetTotalMemory(forceFullCollection: true));
            }

            return count;
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.FromResult(Read(buffer.Span));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
