using Litestream.Storage;
using Litestream.Storage.Nats;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Nats;

/// <summary>An upload that broke off is sent again: every attempt must read the same bytes, however far the ones before had come.</summary>
public sealed class ChunkSourceTests
{
    private const int Chunk = 131_072;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Every_attempt_reads_the_same_bytes(bool seekable)
    {
        byte[] content = LtxSample.Create(1, 1, 700_000);
        for (int read = 0; read <= (content.Length / Chunk) + 1; read++)
        {
            using Stream stream = seekable ? new MemoryStream(content) : new ForwardStream(content);
            var source = new ChunkSource(await LtxUploadHead.ReadAsync(stream, "sample", CancellationToken.None), stream);
            byte[] buffer = new byte[Chunk];
            for (int attempt = 1; attempt <= 3; attempt++)
            {
                for (int chunk = 0; chunk < read; chunk++)
                {
                    await source.ReadAsync(buffer, CancellationToken.None);
                }

                Assert.True(source.TryRestart());
            }

            Assert.Equal(content, await ReadToEndAsync(source, buffer));
        }
    }

    [Fact]
    public async Task What_was_not_kept_is_not_read_again()
    {
        byte[] content = LtxSample.Create(1, 1, 2_000_000);
        using var stream = new ForwardStream(content);
        var source = new ChunkSource(await LtxUploadHead.ReadAsync(stream, "sample", CancellationToken.None), stream);
        byte[] buffer = new byte[Chunk];
        Assert.Equal(content, await ReadToEndAsync(source, buffer));
        Assert.False(source.TryRestart());
    }

    private static async Task<byte[]> ReadToEndAsync(ChunkSource source, byte[] buffer)
    {
        using var copy = new MemoryStream();
        int count;
        do
        {
            count = await source.ReadAsync(buffer, CancellationToken.None);
            copy.Write(buffer, 0, count);
        }
        while (count == buffer.Length);

        return copy.ToArray();
    }

    /// <summary>Cannot be sought.</summary>
    private sealed class ForwardStream(byte[] content) : MemoryStream(content)
    {
        public override bool CanSeek => false;
    }
}
